"""PyTorch modules that compute in evaluation what sweep's layers compute. Imports torch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Optional

import torch
from torch import Tensor, nn

Tensors = Mapping[str, Tensor]
Settings = Mapping[str, Any]


class Generator(nn.Sequential):
    """Layers from noise `[n, noise]` to samples `[n, features]`."""

    #: The length of a noise vector, and its distribution: `"normal"` is N(0, 1), `"uniform"` is U[−1, 1).
    noise: int = 0
    noise_distribution: str = "normal"

    def draw(self, n: int, seed: Optional[int] = None) -> Tensor:
        """`n` noise vectors `[n, noise]` on the CPU, from torch's generator with `seed`, or from its global one."""
        random = None if seed is None else torch.Generator().manual_seed(seed)
        if self.noise_distribution == "uniform":
            return 2 * torch.rand(n, self.noise, generator=random) - 1
        return torch.randn(n, self.noise, generator=random)


class Residual(nn.Sequential):
    """The sum of what its layers and what those in `shortcut` make of x. An empty shortcut gives x itself."""

    def __init__(self, body: nn.Sequential, shortcut: nn.Sequential):
        super().__init__(OrderedDict(body.named_children()))
        self.places = list(self._modules)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for place in self.places:
            y = self._modules[place](y)
        return y + self.shortcut(x)


class Mixture(nn.Module):
    """A linear layer for each of several generators, which take turns: each gets `run` rows of x at a time."""

    def __init__(self, inputs: int, outputs: int, generators: int, run: int):
        super().__init__()
        self.generators, self.run = generators, run
        self.weight = nn.Parameter(torch.zeros(generators * outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(generators * outputs))

    def forward(self, x: Tensor) -> Tensor:
        turn = torch.arange(len(x), device=x.device) // self.run % self.generators
        y = x.new_empty(len(x), len(self.bias) // self.generators)
        parts = zip(self.weight.chunk(self.generators), self.bias.chunk(self.generators))
        for number, (weight, bias) in enumerate(parts):
            y[turn == number] = nn.functional.linear(x[turn == number], weight, bias)
        return y


class Maxout(nn.Module):
    """The largest of each `pieces` consecutive features, or maps."""

    def __init__(self, pieces: int):
        super().__init__()
        self.pieces = pieces

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), -1, self.pieces, *x.shape[2:]).amax(2)


class SumPool(nn.Module):
    """The sum of each map, as a feature."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum((2, 3))


ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": lambda slope: nn.LeakyReLU(slope),
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


def generator(model: Settings, tensors: Tensors) -> Generator:
    """The generator of `model` with these weights, in evaluation mode.

    Raises ValueError for an unknown layer, and KeyError or RuntimeError for weights that do not fit the layers.
    """
    # New modules draw their first values, which must not change what the caller draws next.
    with torch.random.fork_rng(devices=[]):
        chain, maps = layers(model["generator"], False)
    if maps:
        raise ValueError("the last layer gives maps, and not features")
    net = Generator(OrderedDict(chain.named_children()))
    net.noise, net.noise_distribution = model["noise"], model.get("noise_distribution", "normal")
    net.load_state_dict(as_applied(model["generator"], tensors))
    return net.eval()


def parts(layer: Any) -> tuple[str, Any]:
    """The name and the settings of a layer, which is a text or a mapping with one key."""
    if isinstance(layer, str):
        return layer, {}
    ((name, settings),) = layer.items()
    return name, settings


def layers(spec: list, maps: bool) -> tuple[nn.Sequential, bool]:
    """The modules of a list of layers, and whether they give maps; `maps` says whether they take maps."""
    chain = []
    for layer in spec:
        module, maps = one(*parts(layer), maps)
        chain.append(module)
    return nn.Sequential(*chain), maps


def one(name: str, of: Any, maps: bool) -> tuple[nn.Module, bool]:
    """The module of one layer, and whether it gives maps."""
    if name == "linear":
        return nn.Linear(of["inputs"], of["outputs"]), False
    if name == "mixture":
        return Mixture(of["inputs"], of["outputs"], of["generators"], of["run"]), False
    if name in ("conv2d", "conv_transpose2d"):
        return convolution(of, name == "conv_transpose2d"), True
    if name == "unflatten":
        return nn.Unflatten(1, (of["maps"], of["side"], of["side"])), True
    if name == "flatten":
        return nn.Flatten(), False
    if name == "batch_norm":
        return (nn.BatchNorm2d if maps else nn.BatchNorm1d)(of["features"]), maps
    if name == "layer_norm":
        # For maps it is over all pixels and channels, with a scale and a shift for each map.
        return nn.GroupNorm(1, of["features"]) if maps else nn.LayerNorm(of["features"]), maps
    if name in ("weight_norm", "spectral_norm", "dropout"):
        # The weights are already normalised, and in evaluation nothing is dropped.
        return nn.Dropout(of["rate"]) if name == "dropout" else nn.Identity(), maps
    if name == "maxout":
        return Maxout(of["pieces"]), maps
    if name == "activation":
        activation, settings = parts(of)
        if activation in ACTIVATIONS:
            return ACTIVATIONS[activation](**settings), maps
        raise ValueError(f"this version of sweep_gan does not know the activation {activation}")
    if name == "prelu":
        return nn.PReLU(), maps
    if name == "upsample":
        return nn.Upsample(scale_factor=of["factor"]), maps
    if name == "avg_pool":
        return nn.AvgPool2d(of["factor"]), maps
    if name == "sum_pool":
        return SumPool(), False
    if name == "residual":
        body, out = layers(of["body"], maps)
        return Residual(body, layers(of.get("shortcut", []), maps)[0]), out
    # Layers that only discriminators may have end here too.
    raise ValueError(f"this version of sweep_gan does not know the layer {name} in a generator")


def convolution(of: Settings, transposed: bool) -> nn.Module:
    sizes = {"kernel_size": of["kernel"], "stride": of["stride"], "padding": of["padding"], "bias": of["bias"]}
    if not transposed:
        return nn.Conv2d(of["inputs"], of["outputs"], **sizes)
    # More rows and columns at the end than the input and the kernel give.
    given = (of["side"] - 1) * of["stride"] + of["kernel"] - 2 * of["padding"]
    return nn.ConvTranspose2d(of["inputs"], of["outputs"], output_padding=max(of["output"] - given, 0), **sizes)


def as_applied(spec: list, tensors: Tensors, prefix: str = "") -> dict[str, Tensor]:
    """The tensors below `prefix`, named as in the modules, with weight and spectral normalisation applied."""
    state = {}
    for number, layer in enumerate(spec):
        name, of = parts(layer)
        place = f"{prefix}{number}."
        behind = parts(spec[number + 1])[0] if number + 1 < len(spec) else ""
        own = {key[len(place) :]: tensor for key, tensor in tensors.items() if key.startswith(place)}
        if name == "residual":
            state |= as_applied(of["body"], tensors, place)
            state |= as_applied(of.get("shortcut", []), tensors, f"{place}shortcut.")
            continue
        if behind == "weight_norm":
            own["weight"] = weight_normed(own.pop("weight_g"), own.pop("weight_v"), name == "conv_transpose2d")
        if behind == "spectral_norm":
            matrices = of["generators"] if name == "mixture" else 1
            own["weight"] = spectral_normed(
                own.pop("weight_orig"), own.pop("weight_u"), own.pop("weight_v"), name == "conv_transpose2d", matrices
            )
        if name == "batch_norm":
            # sweep keeps no count.
            own["num_batches_tracked"] = torch.tensor(0)
        state |= {place + key: tensor for key, tensor in own.items()}
    return state


def weight_normed(length: Tensor, direction: Tensor, transposed: bool) -> Tensor:
    """g v/‖v‖ for each output feature, or output map (Salimans & Kingma 2016)."""
    out = 1 if transposed else 0
    others = [i for i in range(direction.dim()) if i != out]
    shape = [-1 if i == out else 1 for i in range(direction.dim())]
    return direction / direction.square().sum(others, keepdim=True).sqrt() * length.reshape(shape)


def spectral_normed(weight: Tensor, u: Tensor, v: Tensor, transposed: bool, matrices: int) -> Tensor:
    """w/σ with σ = uᵀ w v for the trained u and v (Miyato et al. 2018), for each of the stacked `matrices`."""
    flat = (weight.transpose(0, 1) if transposed else weight).flatten(1)
    blocks = zip(weight.chunk(matrices), flat.chunk(matrices), u.chunk(matrices), v.chunk(matrices))
    return torch.cat([w / torch.dot(u, block @ v) for w, block, u, v in blocks])
