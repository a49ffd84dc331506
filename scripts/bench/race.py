"""The comparison on one workload."""

import os
import pathlib
import statistics
import subprocess

from contestants import Peer, Sweep, say

GPU_MEMBERS = [1, 4, 16, 64, 256]
# Parallel processes on one GPU, with one model each.
SIDE_BY_SIDE = 8


def machine(args):
    info = pathlib.Path("/proc/cpuinfo").read_text()
    names = [line.split(": ")[1] for line in info.splitlines() if line.startswith("model name")]
    card = None
    if args.gpu:
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        card = subprocess.run(query, check=True, capture_output=True, text=True).stdout.splitlines()[0]
    return {"processor": names[0] if names else "unknown", "cores": os.cpu_count(), "card": card, "processes": args.processes,
            "cpu_time": args.cpu_time, "rounds": args.rounds, "seconds": args.seconds, "load_before": os.getloadavg()[0]}


def attempt(name, make):
    try:
        return make()
    except (RuntimeError, OSError) as error:
        say(f"  {name} is left out: {error}")
        return None


def best(name, make, args):
    """The contestant at its fastest cohort size in a short round. Stops at sizes that are much slower."""
    fastest, rate = None, 0.0
    for members in args.members:
        peer = attempt(name, lambda: make(members))
        now = peer and attempt(name, lambda: peer.round(args.seconds / 2))
        if not now:
            break
        say(f"  {name}, K = {members}: {speed(now)}")
        slower = fastest if now > rate else peer
        if now > rate:
            fastest, rate = peer, now
        if slower:
            slower.close()
        if now < 0.8 * rate:
            break
    return fastest


def speed(rate):
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.2f}"


def rounds(racing, args):
    """Runs all in turn, round by round, and returns their rates."""
    rates = {name: [] for name in racing}
    for number in range(args.rounds):
        for name, contestant in racing.items():
            rates[name].append(contestant.round(args.seconds))
        say(f"  round {number + 1}: " + ", ".join(f"{name} {speed(rates[name][-1])}" for name in racing))
    return {
        name: {"members": contestant.members, "rounds": rates[name], "median": statistics.median(rates[name]),
               "least": min(rates[name]), "most": max(rates[name])}
        for name, contestant in racing.items()
    }


def cpu(binary, workload, args):
    say(workload.stem)
    sweep = lambda k: Sweep(binary, workload, k, args.cores, cpu_time=args.cpu_time)
    peer = lambda script, k, **how: Peer(script, workload, k, args.cores, cpu_time=args.cpu_time, **how)
    racing = {"sweep": sweep(None), "sweep, K = 1": sweep(1)}
    racing["PyTorch"] = attempt("PyTorch", lambda: peer("torch_eager.py", 1))
    tuned = lambda k: peer("torch_batched.py", k, fast_mkl=True)
    racing["PyTorch tuned"] = best("PyTorch tuned", tuned, args)
    if not args.quick:
        compiled = lambda k: peer("torch_batched.py", k, compiled=True, fast_mkl=True)
        racing["torch.compile"] = best("torch.compile", compiled, args)
    racing["JAX"] = best("JAX", lambda k: peer("jax_vmap.py", k), args)
    racing = {name: contestant for name, contestant in racing.items() if contestant}
    result = {"contestants": rounds(racing, args), "roofline": racing["sweep"].roofline()}
    for contestant in racing.values():
        contestant.close()
    return result


def gpu(binary, workload, args):
    """Every contestant at every cohort size, and one model per process, one and several at a time."""
    say(workload.stem)
    # One process gets all cores, since sweep makes its noise on them.
    device, every = "cuda:0", [",".join(map(str, sorted(os.sched_getaffinity(0))))]
    makers = {
        "sweep": lambda k, cores: Sweep(binary, workload, k, cores, device),
        "PyTorch tuned": lambda k, cores: Peer("torch_batched.py", workload, k, cores, device),
        "JAX": lambda k, cores: Peer("jax_vmap.py", workload, k, cores, "cuda"),
    }
    result = {}

    def measure(name, k, processes, make):
        cores = (sorted(os.sched_getaffinity(0)) * processes)[:processes]
        contestant = attempt(f"{name}, K = {k}", lambda: make(k, cores if processes > 1 else every))
        if contestant is None:
            return
        found = attempt(f"{name}, K = {k}", lambda: rounds({name: contestant}, args)[name])
        contestant.close()
        if found:
            result.setdefault(name, []).append({**found, "members": k, "processes": processes})

    eager = lambda k, cores: Peer("torch_eager.py", workload, k, cores, device)
    for name, make in makers.items():
        for k in GPU_MEMBERS:
            measure(name, k, 1, make)
    for processes in (1, SIDE_BY_SIDE):
        measure("PyTorch", 1, processes, eager)
    measure("sweep", 1, SIDE_BY_SIDE, makers["sweep"])
    return {"contestants": result}
