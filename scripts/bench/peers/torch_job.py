"""One job of a sweep as a plain PyTorch script: trains a D2GAN on eight Gaussians, scores it, prints its scores.

    torch_job.py WORKLOAD ALPHA BETA SEED
"""

import json
import math
import sys

import numpy as np
import torch
import yaml

import torch_eager
import workload

STD = math.sqrt(0.02)


def scores(points, reference, centres):
    distance = np.linalg.norm(points[:, None] - centres, axis=2)
    hits = np.bincount(distance.argmin(1)[distance.min(1) < 3 * STD], minlength=len(centres))
    share = hits[hits > 0] / max(hits.sum(), 1)
    p, q = (np.histogram2d(*x.T, bins=50, range=[(-4, 4), (-4, 4)])[0].ravel() / len(x) for x in (reference, points))
    p, q = np.maximum(p, 1e-13), np.maximum(q, 1e-13)
    return {
        "modes_covered": int((hits > 0).sum()),
        "high_quality": float(hits.sum() / len(points)),
        "mode_kl": float((share * np.log(share * len(centres))).sum()),
        "symmetric_kl": float((p * np.log(p / q)).sum() + (q * np.log(q / p)).sum()) / 2,
    }


def main(path, alpha, beta, seed):
    with open(path) as file:
        text = yaml.safe_load(file)
    w = workload.load(path, alpha=float(alpha), beta=float(beta))
    torch.manual_seed(int(seed))
    angles = 2 * math.pi * torch.arange(8) / 8
    centres = 2 * torch.stack([angles.sin(), angles.cos()], 1)

    def real(n):
        return centres[torch.randint(8, (n,))] + STD * torch.randn(n, 2)

    peer = torch_eager.Peer(w)
    for _ in range(text["train"]["steps"]):
        peer.step(real(w.batch), torch.randn(w.batch, w.noise), torch.randn(w.batch, w.noise))
    n = text["score"]["samples"]
    with torch.no_grad():
        points = peer.generator(torch.randn(n, w.noise)).numpy()
    print(json.dumps(scores(points, real(n).numpy(), centres.numpy())))


if __name__ == "__main__":
    main(*sys.argv[1:])
