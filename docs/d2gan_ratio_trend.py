#!/usr/bin/env python3
"""Page's trend test for d2gan-ratio.md: does a score move with the ratio, or with the scale, within seeds?

    sweep query "SELECT variant, seed, ratio, scale, modes_covered, wasserstein FROM results WHERE sweep = 'd2gan-ratio'" \\
        --format csv | python3 docs/d2gan_ratio_trend.py

The seed is the block. The statistic is the sum of position times rank, over the largest that it can be; p is two-sided, of 20,000
permutations within blocks.
"""

import csv
import random
import statistics
import sys

RATIOS, SCALES, SEEDS, PERMUTATIONS = [0.25, 0.5, 1, 2, 4], [0.05, 0.2, 1], range(20), 20_000


def ranks(values):
    """Equal values share the mean of their ranks."""
    return [sum(other < value for other in values) + (sum(other == value for other in values) - 1) / 2 for value in values]


def trend(blocks):
    middle = (len(blocks[0]) - 1) / 2
    weights = [position - middle for position in range(len(blocks[0]))]
    total = lambda rows: sum(weight * rank for row in rows for weight, rank in zip(weights, row))
    ranked = [ranks(block) for block in blocks]
    found = total(ranked)
    drawn = (total([random.sample(row, len(row)) for row in ranked]) for _ in range(PERMUTATIONS))
    p = (1 + sum(abs(other) >= abs(found) - 1e-9 for other in drawn)) / (1 + PERMUTATIONS)
    means = ", ".join(f"{statistics.mean(column):.3f}" for column in zip(*blocks))
    return f"{means}; trend {found / total([list(range(len(weights)))] * len(blocks)):+.2f}, p = {p:.4f}"


random.seed(1)
rows = list(csv.DictReader(sys.stdin))
for variant in sorted({row["variant"] for row in rows}):
    for metric in ["modes_covered", "wasserstein"]:
        value = {(float(row["ratio"]), float(row["scale"]), int(row["seed"])): float(row[metric]) for row in rows if row["variant"] == variant}
        for scale in SCALES:
            print(f"{variant}, {metric} by ratio at scale {scale}:", trend([[value[ratio, scale, seed] for ratio in RATIOS] for seed in SEEDS]))
        over = lambda seed, scale: statistics.mean(value[ratio, scale, seed] for ratio in RATIOS)
        print(f"{variant}, {metric} by scale, mean over ratios:", trend([[over(seed, scale) for scale in SCALES] for seed in SEEDS]))
