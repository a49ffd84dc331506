"""Common code of all peers: they train for the time given on stdin, and answer with model-steps per second."""

import argparse
import math
import sys
import time

import equal
import workload

# Approximate seconds of training between two looks at the clock.
BLOCK = 0.2


def main(peer_class):
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", help="a sweep file; with --check, none")
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--check", action="store_true", help="compare losses with the fixture that WORKLOAD is")
    parser.add_argument("--cpu-time", action="store_true", help="count the processor's time on this process, not what passes")
    args = parser.parse_args()
    clock = time.process_time if args.cpu_time else time.perf_counter
    if args.check:
        sys.exit(equal.check(peer_class, args.workload))

    peer = peer_class(workload.load(args.workload), args.members, args.device, compiled=args.compile)
    peer.train(1)
    start = time.perf_counter()
    peer.train(1)
    block = math.ceil(BLOCK / (time.perf_counter() - start))
    print("ready", flush=True)
    for line in sys.stdin:
        seconds, steps = float(line), 0
        start, before = time.perf_counter(), clock()
        while time.perf_counter() - start < seconds:
            peer.train(block)
            steps += block
        print(steps * args.members / (clock() - before), flush=True)
