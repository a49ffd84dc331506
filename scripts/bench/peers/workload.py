"""A workload read from its sweep file, for the peers."""

import dataclasses
import math

import yaml

# Real samples are random, as in `sweep bench` for images.
POOL = 10_000

SHAPES = {"gaussians": (2,), "mnist": (1, 28, 28), "mnist_1k": (3, 28, 28), "cifar10": (3, 32, 32)}


@dataclasses.dataclass(frozen=True)
class Workload:
    """D2GAN: the generator's and the discriminators' hidden sizes (for arch dcgan the width instead), and how they are trained."""

    arch: str
    shape: tuple
    noise: int
    generator: tuple
    discriminator: tuple
    width: int
    batch: int
    alpha: tuple
    beta: tuple
    lr: float
    betas: tuple
    std: float

    @property
    def features(self):
        return math.prod(self.shape)

    @property
    def sides(self):
        """Height and width of the maps of arch dcgan, from the smallest to the image's: halved each time, rounded up."""
        side = self.shape[1]
        return [-(-side // 8), -(-side // 4), -(-side // 2), side]

    @property
    def maps(self):
        """The number of maps at each of these sizes."""
        return [4 * self.width, 2 * self.width, self.width, self.shape[0]]

    @property
    def images(self):
        return len(self.shape) == 3


def load(path, alpha=None, beta=None):
    """The workload in the sweep file at `path`; `alpha` and `beta` if the file sweeps them."""
    with open(path) as file:
        text = yaml.safe_load(file)
    dataset, model, train = text["dataset"], text["model"], text["train"]
    return Workload(
        arch=model["arch"],
        shape=SHAPES[dataset],
        noise=model["noise"],
        generator=tuple(model.get("generator", ())),
        discriminator=tuple(model.get("discriminator", ())),
        width=model.get("width", 128),
        batch=train["batch"],
        alpha=(text["alpha"] if alpha is None else alpha,),
        beta=(text["beta"] if beta is None else beta,),
        lr=float(train["lr"]),
        betas=tuple(train["adam_betas"]),
        std=float(model["init"]["normal"]),
    )
