"""PyTorch as fast as a user can make it: K models in batched products, fused Adam, no unused gradients.

Convolutional networks: grouped convolutions on a GPU, a loop over members in channels_last on the CPU, which is faster there.
"""

import torch
from torch.nn import functional as F

import serve
from workload import POOL


class Mlp:
    """K networks; x is [K, N, features]."""

    def __init__(self, sizes, members, slope, tanh):
        self.slope, self.tanh = slope, tanh
        self.weights = [torch.zeros(members, a, b) for a, b in zip(sizes, sizes[1:])]
        self.biases = [torch.zeros(members, 1, b) for b in sizes[1:]]

    def tensors(self):
        return [self.weights, self.biases]

    def matrices(self):
        return self.weights

    def __call__(self, x):
        last = len(self.weights) - 1
        for i, (w, b) in enumerate(zip(self.weights, self.biases)):
            # A batched product of one is slower than a plain product.
            x = torch.addmm(b[0], x[0], w[0])[None] if len(w) == 1 else torch.baddbmm(b, x, w)
            if i < last:
                x = F.leaky_relu(x, self.slope, inplace=True) if self.slope else F.relu_(x)
        return torch.tanh(x) if self.tanh else x


def norm(x, scale, shift, slope):
    x = F.batch_norm(x, None, None, scale.flatten(), shift.flatten(), training=True)
    return F.leaky_relu(x, slope, inplace=True) if slope else F.relu_(x)


def wide(x, groups):
    """[K, N, C, H, W] as [N, K·C, H, W]: the members' channels side by side."""
    return x.transpose(0, 1).flatten(1, 2) if groups else x[0]


def narrow(x, members, groups):
    return x.unflatten(1, (members, -1)).transpose(0, 1) if groups else x[None]


class Conv:
    """K convolutional networks of the DCGAN design; lists go from small maps to large ones."""

    def __init__(self, w, members, grouped, generator):
        self.sides, self.maps = w.sides, w.maps
        self.members, self.grouped, self.generator = members, grouped, generator
        flat = self.maps[0] * self.sides[0] ** 2
        pairs = zip(self.maps, self.maps[1:])
        # [K, smaller maps, larger maps, 5, 5] suits a transposed convolution from the one to the other, and its mirror.
        self.weights = [torch.zeros(members, a, b, 5, 5) for a, b in pairs]
        # No bias before a normalisation.
        self.biases = [torch.zeros(members, self.maps[3 if generator else 2])]
        normed = self.maps[:3] if generator else self.maps[:2]
        self.scales = [torch.ones(members, m) for m in normed]
        self.shifts = [torch.zeros(members, m) for m in normed]
        inputs, outputs = (w.noise, flat) if generator else (flat, 1)
        self.linear = [torch.zeros(members, inputs, outputs)]
        self.linear_bias = [torch.zeros(members, 1, outputs)]

    def tensors(self):
        return [self.weights, self.biases, self.scales, self.shifts, self.linear, self.linear_bias]

    def matrices(self):
        return [*self.weights, *self.linear]

    def __call__(self, x):
        if self.grouped:
            return self.members_of(x, slice(None), True)
        one = [self.members_of(x[k : k + 1], slice(k, k + 1), False) for k in range(self.members)]
        return torch.cat(one)

    def members_of(self, x, k, grouped):
        members = self.members if grouped else 1
        slope = 0 if self.generator else 0.2
        if self.generator:
            x = torch.baddbmm(self.linear_bias[0][k], x, self.linear[0][k])
            x = wide(x.unflatten(2, (self.maps[0], self.sides[0], self.sides[0])), grouped)
        else:
            x = wide(x, grouped)
        if not grouped:
            x = x.contiguous(memory_format=torch.channels_last)
        layers = range(3) if self.generator else range(2, -1, -1)
        for i in layers:
            weight, bias = self.weights[i][k].flatten(0, 1), self.biases[0][k].flatten() if i == 2 else None
            if self.generator:
                x = norm(x, self.scales[i][k], self.shifts[i][k], slope)
                extra = self.sides[i + 1] - 2 * self.sides[i] + 1
                x = F.conv_transpose2d(x, weight, bias, 2, 2, extra, groups=members)
            else:
                x = F.conv2d(x, weight, bias, 2, 2, groups=members)
                x = norm(x, self.scales[i][k], self.shifts[i][k], slope) if i < 2 else F.leaky_relu(x, slope, inplace=True)
        x = narrow(x, members, grouped)
        if self.generator:
            return torch.tanh(x)
        return torch.baddbmm(self.linear_bias[0][k], x.flatten(2), self.linear[0][k])


def networks(w, members, device):
    if w.arch == "dcgan":
        grouped = device != "cpu"
        return [Conv(w, members, grouped, generator) for generator in (True, False, False)]
    discriminator = [w.features, *w.discriminator, 1]
    return [
        Mlp([w.noise, *w.generator, w.features], members, 0, w.images),
        Mlp(discriminator, members, 0.2, False),
        Mlp(discriminator, members, 0.2, False),
    ]


class Peer:
    batched = True

    def __init__(self, w, members=1, device="cpu", compiled=False):
        torch.set_num_threads(1)
        self.w, self.members, self.device = w, members, device
        self.networks = networks(w, members, device)
        for network in self.networks:
            for tensors in network.tensors():
                tensors[:] = [tensor.to(device).requires_grad_() for tensor in tensors]
            for matrix in network.matrices():
                torch.nn.init.normal_(matrix, std=w.std)
        self.generator, self.d1, self.d2 = self.networks
        column = lambda values: torch.tensor((values * members)[:members], device=device)[:, None]
        self.alpha, self.beta = column(w.alpha), column(w.beta)
        self.optimisers()
        self.shape = w.shape if w.arch == "dcgan" else (w.features,)
        self.pool = torch.rand(POOL, *self.shape, device=device) * 2 - 1
        if compiled:
            self.d_loss, self.g_loss = torch.compile(self.d_loss), torch.compile(self.g_loss)

    def optimisers(self):
        parameters = lambda network: [tensor for tensors in network.tensors() for tensor in tensors]
        self.of_g, self.of_d = parameters(self.generator), parameters(self.d1) + parameters(self.d2)
        self.opt_g = torch.optim.Adam(self.of_g, lr=self.w.lr, betas=self.w.betas, fused=True)
        self.opt_d = torch.optim.Adam(self.of_d, lr=self.w.lr, betas=self.w.betas, fused=True)

    def judge(self, network, real, fake):
        """The logits [K, N] of both; in one pass if there is no batch normalisation."""
        if isinstance(network, Conv):
            return network(real).squeeze(-1), network(fake).squeeze(-1)
        return network(torch.cat([real, fake], 1)).squeeze(-1).chunk(2, 1)

    def d_loss(self, real, noise):
        with torch.no_grad():
            fake = self.generator(noise)
        (real1, fake1), (real2, fake2) = self.judge(self.d1, real, fake), self.judge(self.d2, real, fake)
        return (
            -(self.alpha * F.softplus(real1).log()).mean(1)
            + F.softplus(fake1).mean(1)
            + F.softplus(real2).mean(1)
            - (self.beta * F.softplus(fake2).log()).mean(1)
        )

    def g_loss(self, fresh):
        fake = self.generator(fresh)
        fake1, fake2 = self.d1(fake).squeeze(-1), self.d2(fake).squeeze(-1)
        return -F.softplus(fake1).mean(1) + (self.beta * F.softplus(fake2).log()).mean(1)

    def descend(self, loss, parameters, optimiser):
        for p, grad in zip(parameters, torch.autograd.grad(loss.sum(), parameters)):
            p.grad = grad
        optimiser.step()
        return loss

    def step(self, real, noise, fresh):
        d_loss = self.descend(self.d_loss(real, noise), self.of_d, self.opt_d)
        return d_loss, self.descend(self.g_loss(fresh), self.of_g, self.opt_g)

    def train(self, steps):
        w, k, device = self.w, self.members, self.device
        for _ in range(steps):
            real = self.pool[torch.randint(POOL, (k * w.batch,), device=device)].view(k, w.batch, *self.shape)
            noise = torch.randn(k, w.batch, w.noise, device=device)
            self.step(real, noise, torch.randn(k, w.batch, w.noise, device=device))
        if device != "cpu":
            torch.cuda.synchronize()

    # For the check that all peers compute the same.

    def set_weights(self, weights):
        for network, matrices in zip(self.networks, weights):
            if isinstance(network, Conv):
                tensors = [*network.linear, *network.weights] if network.generator else [*network.weights[::-1], *network.linear]
            else:
                tensors = network.weights
            for tensor, matrix in zip(tensors, matrices, strict=True):
                matrix = torch.from_numpy(matrix)
                tensor.data.copy_(matrix.transpose(1, 2) if matrix.dim() == 3 else matrix)

    def losses(self, real, noise, fresh):
        real, noise, fresh = (torch.from_numpy(x).float() for x in (real, noise, fresh))
        real = real.view(*real.shape[:2], *self.shape)
        return [loss.tolist() for loss in self.step(real, noise, fresh)]


if __name__ == "__main__":
    serve.main(Peer)
