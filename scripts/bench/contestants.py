"""The contestants: processes that train for a given time."""

import json
import os
import pathlib
import select
import subprocess
import sys

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
MKL = pathlib.Path(sys.prefix) / "mkl.so"
# Seconds after which a contestant that is not ready (including compilation), or not done with a round, is left out.
PATIENCE = 240
# For every library that sets a number of threads.
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


def say(text):
    print(text, file=sys.stderr, flush=True)


def environment(fast_mkl):
    preload = {"LD_PRELOAD": str(MKL)} if fast_mkl else {}
    return {**os.environ, **ONE_THREAD, **preload}


class Peer:
    """One of the peers' scripts with K members, in one process per core."""

    def __init__(self, script, workload, members, cores, device="cpu", compiled=False, fast_mkl=False, cpu_time=False):
        arguments = [sys.executable, PEERS / script, workload, "--members", str(members), "--device", device]
        arguments += ["--compile"] * compiled + ["--cpu-time"] * cpu_time
        start = lambda core: subprocess.Popen(
            ["taskset", "-c", str(core), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(fast_mkl),
        )
        self.members = members
        self.processes = [start(core) for core in cores]
        for process in self.processes:
            self.answer(process, "ready")

    def answer(self, process, expected=None):
        command = " ".join(map(str, process.args))
        if not select.select([process.stdout], [], [], PATIENCE)[0]:
            self.end()
            raise RuntimeError(f"{command} took longer than {PATIENCE} s")
        line = process.stdout.readline().strip()
        if not line or (expected and line != expected):
            self.end()
            raise RuntimeError(f"{command} ended with {process.wait()}")
        return line

    def round(self, seconds):
        """Model-steps per second of all processes together."""
        for process in self.processes:
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
        return sum(float(self.answer(process)) for process in self.processes)

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()

    def close(self):
        for process in self.processes:
            process.stdin.close()
            process.wait()


class Sweep:
    """`sweep bench`, with a given number of members or the planner's."""

    def __init__(self, binary, workload, members, cores, device="cpu", cpu_time=False):
        choice = (["--members", str(members)] if members else []) + ["--cpu-time"] * cpu_time
        self.command = [binary, "bench", workload, *choice, "--device", device, "--json", "--rounds", "1", "--seconds"]
        self.cores = cores
        self.members = members
        self.documents = []

    def round(self, seconds):
        start = lambda core: subprocess.Popen(
            ["taskset", "-c", str(core), *self.command, str(seconds)], stdout=subprocess.PIPE, text=True, env=environment(False)
        )
        rate = 0
        for process in [start(core) for core in self.cores]:
            output = process.communicate()[0]
            if process.returncode != 0:
                raise RuntimeError(f"{' '.join(map(str, self.command))} ended with {process.returncode}")
            document = json.loads(output)
            self.documents.append(document)
            self.members = document["networks"][0]["members"]
            rate += document["networks"][0]["median"]
        return rate

    def roofline(self):
        """Model-steps per second that a core allows, by its best measured rates."""
        network = self.documents[0]["networks"][0]
        best = lambda key: max(document["machine"][key] for document in self.documents)
        seconds = network["flops"] / (best("gflops") * 1e9) + network["bytes"] / (best("gigabytes") * 1e9)
        return {"gflops": best("gflops"), "gigabytes": best("gigabytes"), "steps": 1 / seconds,
                "flops": network["flops"], "bytes": network["bytes"]}

    def close(self):
        pass


def check_all(fixture):
    """Ends the program if a peer does not compute the same losses as sweep's tests."""
    for script in ["torch_eager.py", "torch_batched.py", "jax_vmap.py"]:
        say(f"checking the losses of {script}")
        done = subprocess.run([sys.executable, PEERS / script, fixture, "--check"], env=environment(True), stdout=sys.stderr)
        if done.returncode != 0:
            sys.exit(f"{script} does not compute the losses of {fixture}: the race would not be between equals")
