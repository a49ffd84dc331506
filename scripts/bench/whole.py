"""The wall-clock time of a whole sweep: `sweep run` from command to report, against one PyTorch process per job."""

import concurrent.futures
import os
import subprocess
import sys
import tempfile
import time

import yaml

from contestants import PEERS, environment, say


def run(binary, workload, args):
    say(workload.stem)
    slots = len(os.sched_getaffinity(0))
    with open(workload) as file:
        text = yaml.safe_load(file)
    grid = text["grid"]
    jobs = [(a, b, seed) for a in grid["alpha"] for b in grid["beta"] for seed in range(text["seeds"])]

    with tempfile.TemporaryDirectory() as home:
        start = time.perf_counter()
        command = [binary, "run", workload, "--home", home, "--slots", str(slots), "--devices", "cpu"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ours = time.perf_counter() - start
    say(f"  sweep: {ours:.1f} s")

    # --quick runs only some of the scripts, since all take the same time.
    some = jobs[:: len(jobs) // 8] if args.quick else jobs

    def script(job):
        command = [sys.executable, PEERS / "torch_job.py", workload, *map(str, job)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment(False))

    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(slots) as pool:
        list(pool.map(script, some))
    theirs = (time.perf_counter() - start) * len(jobs) / len(some)
    say(f"  scripts: {theirs:.1f} s")
    return {"jobs": len(jobs), "measured": len(some), "slots": slots, "sweep": ours, "scripts": theirs, "ratio": theirs / ours}
