"""A GAN (Goodfellow et al. 2014, Algorithm 1) on eight Gaussians on a ring, the data of the D2GAN paper's Figure 2.

It needs nothing but Python: networks are lists of numbers. Run it by itself (`python3 ring_gan.py --steps=2000`),
or as the trainer of a sweep (ring.yaml).
"""

import argparse
import json
import math
import operator
import os
import pickle
import random
import signal
import struct

RADIUS, DEVIATION = 2.0, math.sqrt(0.02)  # the variance is 0.02
ANGLES = [2 * math.pi * k / 8 for k in range(8)]
MODES = [(RADIUS * math.sin(angle), RADIUS * math.cos(angle)) for angle in ANGLES]
NOISE, BATCH, EVERY = 8, 32, 50


def dot(a, b):
    return sum(map(operator.mul, a, b))


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


class MLP:
    """Fully connected layers with ReLU in between. A unit is the list of its weights, the last of which is its bias."""

    def __init__(self, sizes, rng):
        def unit(n):  # He et al. 2015
            return [rng.gauss(0, math.sqrt(2 / n)) for _ in range(n)] + [0.0]

        self.layers = [[unit(n) for _ in range(m)] for n, m in zip(sizes, sizes[1:])]
        self.moments = [[([0.0] * len(u), [0.0] * len(u)) for u in layer] for layer in self.layers]
        self.moves = 0

    def forward(self, batch):
        """Returns the output, and the input of each layer."""
        inputs = []
        for layer in self.layers:
            if inputs:
                batch = [[max(0.0, value) for value in x] for x in batch]
            batch = [[*x, 1.0] for x in batch]
            inputs.append(batch)
            batch = [[dot(unit, x) for unit in layer] for x in batch]
        return batch, inputs

    def backward(self, inputs, slopes):
        """Returns the loss's gradients with respect to weights and input, given those of the output."""
        gradients = []
        for layer, batch in zip(reversed(self.layers), reversed(inputs)):
            columns = list(zip(*batch))
            gradients.insert(0, [[dot(slope, column) for column in columns] for slope in zip(*slopes)])
            columns = list(zip(*layer))[:-1]
            slopes = [[dot(slope, column) for column in columns] for slope in slopes]
            if layer is not self.layers[0]:
                slopes = [[s if x > 0 else 0.0 for s, x in zip(slope, xs)] for slope, xs in zip(slopes, batch)]
        return gradients, slopes

    def adam(self, gradients, lr, beta1=0.5, beta2=0.999):
        """One step of Adam (Kingma & Ba 2015)."""
        self.moves += 1
        rate = lr * math.sqrt(1 - beta2**self.moves) / (1 - beta1**self.moves)
        for units, moments, slopes in zip(self.layers, self.moments, gradients):
            for unit, (mean, square), slope in zip(units, moments, slopes):
                for i, g in enumerate(slope):
                    mean[i] += (1 - beta1) * (g - mean[i])
                    square[i] += (1 - beta2) * (g * g - square[i])
                    unit[i] -= rate * mean[i] / (math.sqrt(square[i]) + 1e-8)


def real(n, rng):
    modes = [rng.choice(MODES) for _ in range(n)]
    return [[rng.gauss(x, DEVIATION), rng.gauss(y, DEVIATION)] for x, y in modes]


def noise(n, rng):
    return [[rng.gauss(0, 1) for _ in range(NOISE)] for _ in range(n)]


def train_discriminator(d, g, args, rng):
    """Minimises −log D(x) − log(1 − D(G(z)))."""
    fake, _ = g.forward(noise(BATCH, rng))
    logits, inputs = d.forward(real(BATCH, rng) + fake)
    slopes = [[(sigmoid(logit) - (i < BATCH)) / BATCH] for i, (logit,) in enumerate(logits)]
    gradients, _ = d.backward(inputs, slopes)
    d.adam(gradients, args.lr)


def train_generator(d, g, args, rng):
    """Minimises −log D(G(z)), or log(1 − D(G(z))) if saturating."""
    fake, inputs = g.forward(noise(BATCH, rng))
    logits, of_d = d.forward(fake)
    slopes = [[(-sigmoid(logit) if args.saturating else sigmoid(logit) - 1) / BATCH] for (logit,) in logits]
    _, slopes = d.backward(of_d, slopes)
    gradients, _ = g.backward(inputs, slopes)
    g.adam(gradients, args.lr)


def evaluate(g, seed):
    """How many modes have 1 % of the samples within 3 σ, and the mean distance of a sample to its nearest mode."""
    samples, _ = g.forward(noise(500, random.Random(f"evaluation {seed}")))
    nearest = [min((math.dist(sample, mode), mode) for mode in MODES) for sample in samples]
    hits = [mode for distance, mode in nearest if distance < 3 * DEVIATION]
    covered = sum(hits.count(mode) >= len(samples) / 100 for mode in MODES)
    return covered, sum(distance for distance, _ in nearest) / len(nearest)


def write_npy(path, rows):
    """The bytes that `numpy.save` writes for a float32 array (NumPy's format, version 1.0)."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        file.writelines(struct.pack(f"<{len(row)}f", *row) for row in rows)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.01)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--saturating", type=json.loads, default=False)  # `type=bool` takes "false" for true
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    folder = os.environ.get("SWEEP_DIR", ".")
    checkpoint = os.path.join(folder, "checkpoint.pickle")

    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    rng, step = random.Random(args.seed), 0
    g, d = MLP([NOISE, args.width, args.width, 2], rng), MLP([2, args.width, args.width, 1], rng)
    if os.environ.get("SWEEP_RESUME") == "1" and os.path.exists(checkpoint):
        with open(checkpoint, "rb") as file:
            step, g, d, state = pickle.load(file)
        rng.setstate(state)

    while step < args.steps:
        train_discriminator(d, g, args, rng)
        train_generator(d, g, args, rng)
        step += 1
        if step % EVERY == 0 or step == args.steps:
            covered, distance = evaluate(g, args.seed)
            print(f"sweep: step={step} covered={covered} distance={distance:.6g}", flush=True)
            if not math.isfinite(distance):
                print("sweep: diverged", flush=True)
                return
        if step < args.steps and (step % EVERY == 0 or stopped):
            with open(checkpoint + ".new", "wb") as file:
                pickle.dump((step, g, d, rng.getstate()), file)
            os.replace(checkpoint + ".new", checkpoint)  # there is always a complete one
            print(f"sweep: checkpoint step={step}", flush=True)
            if stopped:
                return

    samples, _ = g.forward(noise(2000, rng))
    write_npy(os.path.join(folder, "samples.npy"), samples)


if __name__ == "__main__":
    main()
