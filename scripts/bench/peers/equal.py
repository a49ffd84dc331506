"""Checks that a peer computes the same as sweep: the same losses from the same weights, batches and noise, step after step.

The inputs are sweep's own random numbers, written here a second time from what src/numerics/random.rs says of them. The losses are
in tests/fixtures/race.json, where a test of sweep's finds them too.
"""

import dataclasses
import json

import numpy as np

from workload import Workload

LANES = 64
INIT, NOISE, DATA = 1, 2, 3
# Relative tolerance; in float32 a few steps lose about a tenth of it.
TOLERANCE = 1e-5


def philox(seed, purpose, lane, index, blocks):
    """Philox4x32-10: [4, blocks] words."""
    low, high = np.uint64(0xFFFFFFFF), np.uint64(32)
    words = [np.arange(blocks, dtype=np.uint64)]
    words += [np.full(blocks, word, np.uint64) for word in (index & 0xFFFFFFFF, index >> 32, purpose << 16 | lane)]
    c0, c1, c2, c3 = words
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1 = (p1 >> high) ^ c1 ^ np.uint64(k0), p1 & low
        c2, c3 = (p0 >> high) ^ c3 ^ np.uint64(k1), p0 & low
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3])


def normal(seed, purpose, lane, index, shape):
    """N(0, 1) by Box and Muller, 64 blocks at a time: words 0 and 1 make radii, 2 and 3 angles; cosines come first."""
    count = int(np.prod(shape))
    rounds = -(-count // (4 * LANES))
    words = philox(seed, purpose, lane, index, rounds * LANES).reshape(4, rounds, LANES).transpose(1, 0, 2)
    radius, turn = words[:, :2].reshape(rounds, -1), words[:, 2:].reshape(rounds, -1)
    radius = np.sqrt(-2 * np.log(((radius >> np.uint64(1)) + 0.5) / 2**31))
    angle = 2 * np.pi * turn / 2**32
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], 1).ravel()[:count].reshape(shape)


def shaped(case):
    """The case as a workload."""
    names = {field.name for field in dataclasses.fields(Workload)}
    return Workload(**{name: tuple(value) if isinstance(value, list) else value for name, value in case.items() if name in names})


def matrices(w):
    """For each network, (index among sweep's layers, shape) of each random tensor; activations etc. have an index, too."""
    if w.arch != "dcgan":
        linear = lambda sizes: [(2 * i, (b, a)) for i, (a, b) in enumerate(zip(sizes, sizes[1:]))]
        discriminator = linear([w.features, *w.discriminator, 1])
        return [linear([w.noise, *w.generator, w.features]), discriminator, discriminator]
    m0, m1, m2, m3 = w.maps
    flat = m0 * w.sides[0] ** 2
    generator = [(0, (flat, w.noise)), (4, (m0, m1, 5, 5)), (7, (m1, m2, 5, 5)), (10, (m2, m3, 5, 5))]
    discriminator = [(1, (m2, m3, 5, 5)), (3, (m1, m2, 5, 5)), (6, (m0, m1, 5, 5)), (10, (1, flat))]
    return [generator, discriminator, discriminator]


def weights(w, seeds):
    """For each network its random tensors, [K, …] in PyTorch's layout."""

    def draw(player, layer, shape, seed):
        if len(shape) == 2:
            return normal(seed, INIT, player, layer, shape)
        # sweep draws kernels with the channels last.
        a, b, *kernel = shape
        return np.moveaxis(normal(seed, INIT, player, layer, (a, *kernel, b)), 3, 1)

    return [
        [np.stack([w.std * draw(player, layer, shape, seed) for seed in seeds]).astype(np.float32) for layer, shape in network]
        for player, network in enumerate(matrices(w))
    ]


def losses(peer, w, seeds, steps):
    """[[d_loss [K], g_loss [K]], …] of the first steps."""
    draw = lambda purpose, index, columns: np.stack([normal(seed, purpose, 0, index, (w.batch, columns)) for seed in seeds])
    peer.set_weights(weights(w, seeds))
    rows = []
    for t in range(steps):
        real, noise, fresh = draw(DATA, t, w.features), draw(NOISE, 2 * t, w.noise), draw(NOISE, 2 * t + 1, w.noise)
        rows.append(peer.losses(real, noise, fresh))
    return rows


def by_member(make, w, seeds, steps, batched):
    """[member][step] = [d_loss, g_loss]."""
    groups = [list(range(len(seeds)))] if batched else [[k] for k in range(len(seeds))]
    rows = []
    for group in groups:
        of = lambda values: tuple(values[k] for k in group)
        part = dataclasses.replace(w, alpha=of(w.alpha), beta=of(w.beta))
        found = losses(make(part, len(group)), part, of(seeds), steps)
        rows += [[[step[0][i], step[1][i]] for step in found] for i in range(len(group))]
    return rows


def check(peer_class, fixture):
    """None if everything agrees, else a description of the difference."""
    with open(fixture) as file:
        cases = json.load(file)
    for case in cases:
        w, expected = shaped(case), np.array(case["losses"])
        found = np.array(by_member(peer_class, w, case["seeds"], expected.shape[1], peer_class.batched))
        worst = (np.abs(found - expected) / np.abs(expected)).max()
        print(f"{case['name']}: losses agree to {worst:.1e}")
        if not worst < TOLERANCE:
            return f"{case['name']}: expected the losses {expected.tolist()}, found {found.tolist()}"
    return None
