"""A GAN (Goodfellow et al. 2014) on eight Gaussians on a ring, in plain PyTorch; ring_gan.py is the same without it."""

import argparse
import json
import math
import os
import signal

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus

DEVIATION, NOISE, BATCH = math.sqrt(0.02), 8, 64  # the variance is 0.02
ANGLES = torch.arange(8) * (2 * math.pi / 8)
MODES = 2 * torch.stack([ANGLES.sin(), ANGLES.cos()], dim=1)  # [8, 2]


def mlp(*sizes):
    layers = [layer for n, m in zip(sizes, sizes[1:]) for layer in (nn.Linear(n, m), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def real(n):
    return MODES[torch.randint(8, [n])] + DEVIATION * torch.randn(n, 2)


@torch.no_grad()
def evaluate(g, z):
    """How many modes have 1 % of the samples within 3 σ, and the mean distance of a sample to its nearest mode."""
    distances, modes = torch.cdist(g(z), MODES).min(dim=1)
    hits = torch.bincount(modes[distances < 3 * DEVIATION], minlength=8)
    return (hits >= len(z) / 100).sum().item(), distances.mean().item()


parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--width", type=int, default=16)
parser.add_argument("--saturating", type=json.loads, default=False)  # `type=bool` takes "false" for true
parser.add_argument("--steps", type=int, default=2000)
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()

torch.manual_seed(args.seed)
g, d = mlp(NOISE, args.width, args.width, 2), mlp(2, args.width, args.width, 1)
adam_g, adam_d = (torch.optim.Adam(net.parameters(), lr=args.lr, betas=(0.5, 0.999)) for net in (g, d))
to_evaluate = torch.randn(500, NOISE)

folder = os.environ.get("SWEEP_DIR", ".")
checkpoint, first, parts = os.path.join(folder, "checkpoint.pt"), 0, [g, d, adam_g, adam_d]
if os.environ.get("SWEEP_RESUME") == "1" and os.path.exists(checkpoint):
    first, states, random = torch.load(checkpoint)
    for part, state in zip(parts, states):
        part.load_state_dict(state)
    torch.set_rng_state(random)
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))

for step in range(first + 1, args.steps + 1):
    fake = g(torch.randn(BATCH, NOISE))
    loss_d = softplus(-d(real(BATCH))).mean() + softplus(d(fake.detach())).mean()
    adam_d.zero_grad()
    loss_d.backward()
    adam_d.step()

    logits = d(g(torch.randn(BATCH, NOISE)))
    loss_g = -softplus(logits).mean() if args.saturating else softplus(-logits).mean()
    adam_g.zero_grad()
    loss_g.backward()
    adam_g.step()

    if step % 50 == 0 or step == args.steps:
        covered, distance = evaluate(g, to_evaluate)
        print(f"sweep: step={step} covered={covered} distance={distance:.6g}", flush=True)
        if not math.isfinite(distance):
            print("sweep: diverged", flush=True)
            raise SystemExit
    if step < args.steps and (step % 50 == 0 or stopped):
        states = [part.state_dict() for part in parts]
        torch.save((step, states, torch.get_rng_state()), checkpoint + ".new")
        os.replace(checkpoint + ".new", checkpoint)  # there is always a complete one
        print(f"sweep: checkpoint step={step}", flush=True)
        if stopped:
            raise SystemExit

with torch.no_grad():
    samples = g(torch.randn(2000, NOISE))
np.save(os.path.join(folder, "samples.npy"), samples.numpy())
