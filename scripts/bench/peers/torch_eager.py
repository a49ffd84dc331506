"""Textbook PyTorch: one model, autograd, standard Adam."""

import torch
from torch import nn
from torch.nn import functional as F

import serve
from workload import POOL


def mlp(sizes, activation, *end):
    layers = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [nn.Linear(inputs, outputs), activation]
    return nn.Sequential(*layers[:-1], *end)


def dcgan_generator(w):
    (s0, s1, s2, s3), (m0, m1, m2, m3) = w.sides, w.maps

    def up(inputs, outputs, small, large, bias=False):
        return nn.ConvTranspose2d(inputs, outputs, 5, 2, 2, output_padding=large - 2 * small + 1, bias=bias)

    return nn.Sequential(
        nn.Linear(w.noise, m0 * s0 * s0), nn.Unflatten(1, (m0, s0, s0)),
        nn.BatchNorm2d(m0), nn.ReLU(), up(m0, m1, s0, s1),
        nn.BatchNorm2d(m1), nn.ReLU(), up(m1, m2, s1, s2),
        nn.BatchNorm2d(m2), nn.ReLU(), up(m2, m3, s2, s3, bias=True),
        nn.Tanh(),
    )


def dcgan_discriminator(w):
    small, (m0, m1, m2, m3) = w.sides[0], w.maps
    return nn.Sequential(
        nn.Conv2d(m3, m2, 5, 2, 2), nn.LeakyReLU(0.2),
        nn.Conv2d(m2, m1, 5, 2, 2, bias=False), nn.BatchNorm2d(m1), nn.LeakyReLU(0.2),
        nn.Conv2d(m1, m0, 5, 2, 2, bias=False), nn.BatchNorm2d(m0), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(m0 * small * small, 1),
    )


def networks(w):
    if w.arch == "dcgan":
        return dcgan_generator(w), dcgan_discriminator(w), dcgan_discriminator(w)
    end = [nn.Tanh()] if w.images else []
    generator = mlp([w.noise, *w.generator, w.features], nn.ReLU(), *end)
    d1, d2 = (mlp([w.features, *w.discriminator, 1], nn.LeakyReLU(0.2)) for _ in range(2))
    return generator, d1, d2


class Peer:
    batched = False

    def __init__(self, w, members=1, device="cpu", compiled=False):
        assert members == 1 and not compiled, "one model, as it comes"
        torch.set_num_threads(1)
        self.w, self.device = w, device
        self.alpha, self.beta = w.alpha[0], w.beta[0]
        self.networks = [network.to(device) for network in networks(w)]
        for network in self.networks:
            for name, p in network.named_parameters():
                if p.dim() > 1:
                    nn.init.normal_(p, std=w.std)
                elif name.endswith("bias"):
                    nn.init.zeros_(p)
        self.generator, self.d1, self.d2 = self.networks
        discriminators = [*self.d1.parameters(), *self.d2.parameters()]
        self.opt_g = torch.optim.Adam(self.generator.parameters(), lr=w.lr, betas=w.betas)
        self.opt_d = torch.optim.Adam(discriminators, lr=w.lr, betas=w.betas)
        shape = w.shape if w.arch == "dcgan" else (w.features,)
        self.pool = torch.rand(POOL, *shape, device=device) * 2 - 1

    def step(self, real, noise, fresh):
        fake = self.generator(noise).detach()
        d_loss = (
            -self.alpha * F.softplus(self.d1(real)).log().mean()
            + F.softplus(self.d1(fake)).mean()
            + F.softplus(self.d2(real)).mean()
            - self.beta * F.softplus(self.d2(fake)).log().mean()
        )
        self.opt_d.zero_grad()
        d_loss.backward()
        self.opt_d.step()

        fake = self.generator(fresh)
        g_loss = -F.softplus(self.d1(fake)).mean() + self.beta * F.softplus(self.d2(fake)).log().mean()
        self.opt_g.zero_grad()
        g_loss.backward()
        self.opt_g.step()
        return d_loss, g_loss

    def train(self, steps):
        w, device = self.w, self.device
        for _ in range(steps):
            real = self.pool[torch.randint(POOL, (w.batch,), device=device)]
            noise = torch.randn(w.batch, w.noise, device=device)
            self.step(real, noise, torch.randn(w.batch, w.noise, device=device))
        if device != "cpu":
            torch.cuda.synchronize()

    # For the check that all peers compute the same.

    def double(self):
        for network in self.networks:
            network.double()

    def set_weights(self, weights):
        for network, matrices in zip(self.networks, weights):
            drawn = [p for p in network.parameters() if p.dim() > 1]
            for p, matrix in zip(drawn, matrices, strict=True):
                p.data.copy_(torch.from_numpy(matrix[0]))

    def losses(self, real, noise, fresh):
        kind = next(self.d1.parameters()).dtype
        real, noise, fresh = (torch.from_numpy(x[0]).to(kind) for x in (real, noise, fresh))
        real = real.view(-1, *self.pool.shape[1:])
        return [[loss.item()] for loss in self.step(real, noise, fresh)]


if __name__ == "__main__":
    serve.main(Peer)
