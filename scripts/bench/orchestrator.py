#!/usr/bin/env python3
"""Measures everything except training: planning, running empty jobs, reading events, status and reports.

Prints a Markdown table on stdout and progress on stderr; exits with 1 if a target is missed. Needs Python 3 and rustc.

    scripts/bench/orchestrator.py                  all of it (some minutes, 4 GB of disk in the temporary directory)
    scripts/bench/orchestrator.py cohorts plan     some of it
"""
import argparse
import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

HEAD = """sweep: {name}
dataset: gaussians
objective: d2gan
train: {{steps: 1000}}
score: {{every: {every}, samples: 10000, metrics: [wasserstein, modes_covered, high_quality, symmetric_kl]}}
seeds: {seeds}
alpha: 0.2
beta: 0.1
"""


def values(n, least, most):
    return "[" + ", ".join(f"{least + (most - least) * i / (n - 1):.6g}" for i in range(n)) + "]"


def counts(n):
    return "[" + ", ".join(str(i + 1) for i in range(n)) + "]"


class Bench:
    def __init__(self, sweep, folder):
        self.sweep, self.folder = sweep, folder
        self.rows = []
        self.worker = folder / "nothing_worker"
        subprocess.run(["rustc", "--edition", "2024", "-O", "-o", self.worker, HERE / "nothing_worker.rs"], check=True)

    def file(self, name, rest, every=0, seeds=1):
        path = self.folder / f"{name}.yaml"
        path.write_text(HEAD.format(name=name, every=every, seeds=seeds) + rest + "\n")
        return path

    def call(self, *arguments, home, scorings=1, watch=None, losses=0):
        """Runs sweep and returns the seconds from command to exit and the peak memory in bytes."""
        environment = dict(os.environ, SWEEP_HOME=str(home), SWEEP_WORKER=str(self.worker))
        environment.update(NOTHING_SCORINGS=str(scorings), NOTHING_LOSSES=str(losses))
        with open(self.folder / "output", "w+") as output:
            start = time.perf_counter()
            process = subprocess.Popen([self.sweep, *map(str, arguments)], env=environment, stdout=output, stderr=output)
            if watch:
                watch(process)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                output.seek(0)
                sys.exit(f"sweep {arguments}: exit code {process.returncode}\n{output.read()}")
        return seconds, usage.ru_maxrss * 1024

    def rounds(self, count, name, *arguments, **options):
        """Medians of several runs, each in its own home directory."""
        found = []
        for number in range(count):
            home = self.folder / f"{name}-{number}"
            found.append(self.call(*arguments, home=home, **options))
            say(f"{name}: {found[-1][0]:.2f} s, {found[-1][1] / 1e6:.0f} MB")
        return [seconds for seconds, _ in found], [memory for _, memory in found]

    def row(self, what, bar, unit, measured, more_is_better=False):
        """`measured` are the rounds; the ratio says how many times better the median is than the target."""
        middle = statistics.median(measured)
        ratio = middle / bar if more_is_better else bar / middle
        spread = f" ({min(measured):.3g}–{max(measured):.3g})" if len(measured) > 1 else ""
        sign = "≥" if more_is_better else "≤"
        self.rows.append((what, ratio, f"{sign} {bar:,} {unit}", f"{number(middle)} {unit}{spread}"))

    # The measurements.

    def cohorts(self):
        file = self.file("cohorts", f"grid: {{alpha: {values(100, 0.01, 1)}, beta: {values(10, 0.1, 1)}}}", seeds=10)
        for name, losses, what in ("cohorts", 0, ""), ("cohorts-losses", 250, ", each with six series of losses at 250 steps"):
            seconds, memory = self.rounds(3, name, "run", file, "--slots", 2, losses=losses)
            self.row(f"10,000 jobs in cohorts, 2 slots{what}: command to exit", 10, "s", seconds)

    def jobs(self):
        file = self.file("jobs", f"grid: {{model.noise: {counts(100)}, train.batch: {counts(100)}}}")
        seconds, memory = self.rounds(3, "jobs", "run", file, "--slots", 2)
        self.row("10,000 cohorts of one job, 2 slots: a job", 1, "ms", [s * 1000 / 10_000 for s in seconds])

    def agents(self):
        grid = f"grid: {{model.noise: {counts(100)}, train.batch: {counts(100)}}}"
        launch = 'run: {launch: {command: "sh -c {agent} >>{log} 2>&1 &", agents: 2}}'
        file = self.file("agents", f"{grid}\n{launch}")
        seconds, memory = self.rounds(3, "agents", "run", file, "--on", "launch")
        self.row("10,000 cohorts of one job, on two agents: cohorts a second", 100, "a second", [10_000 / s for s in seconds], True)

    def plan(self):
        seconds, _ = self.rounds(5, "plan", "plan", ROOT / "sweeps/mnist_grid_full.yaml")
        self.row("plan 41,472 jobs of 864 blueprints", 0.5, "s", seconds)
        grid = f"grid: {{alpha: {values(100, 0.01, 1)}, beta: {values(100, 0.01, 1)}, train.lr: {values(10, 1e-5, 1e-3)}}}"
        seconds, memory = self.rounds(3, "million", "plan", self.file("million", grid, seeds=10))
        self.row("plan 1,000,000 jobs", 15, "s", seconds)
        self.row("plan 1,000,000 jobs: peak memory", 1.5, "GB", [m / 1e9 for m in memory])

    def events(self):
        """Two workers log as fast as they can while another process reads the database."""
        grid = f"grid: {{alpha: {values(40, 0.01, 1)}, beta: {values(10, 0.1, 1)}}}"
        home = self.folder / "events"
        reader = Reader(home / "sweep.db")

        def watch(process):
            reader.process = process.pid
            reader.start()

        seconds, _ = self.call("run", self.file("events", grid, every=1, seeds=4), "--slots", 2, "--no-report", home=home, scorings=400, watch=watch)
        reader.stop()
        rows = 40 * 10 * 4 * 400 * 4
        early, late = reader.growth()
        say(f"events: {rows:,} rows in {seconds:.1f} s, {reader.reads} reads of {reader.busy} busy; memory {early / 1e6:.0f} MB, then {late / 1e6:.0f} MB")
        self.row(f"events: metric rows into the database, {reader.reads} queries beside it", 20_000, "rows/s", [rows / seconds], True)
        self.rows.append(("events: SQLITE_BUSY, of reader or run", 1.0 if reader.busy == 0 else 0.0, "none", str(reader.busy)))
        self.row("events: memory at the end against at a quarter", 1.1, "×", [late / early])

    def large(self):
        grid = f"grid: {{alpha: {values(100, 0.01, 1)}, beta: {values(100, 0.01, 1)}}}"
        home = self.folder / "large"
        seconds, memory = self.call("run", self.file("large", grid, every=40, seeds=10), "--slots", 2, "--no-report", home=home, scorings=25)
        with sqlite3.connect(home / "sweep.db") as database:
            rows = database.execute("SELECT count(*) FROM scores").fetchone()[0]
        size = (home / "sweep.db").stat().st_size
        say(f"large: {rows:,} rows in {seconds:.0f} s ({rows / seconds:,.0f} rows/s), {memory / 1e6:.0f} MB; database of {size / 1e9:.2f} GB")
        for command, bar in ("status", 1), ("report", 5):
            found = [self.call(command, home=home) for _ in range(3)]
            for seconds, memory in found:
                say(f"{command}: {seconds:.2f} s, {memory / 1e6:.0f} MB")
            self.row(f"{command}, 100,000 jobs, {rows:,} rows of history", bar, "s", [seconds for seconds, _ in found])


class Reader(threading.Thread):
    """Reads the database continuously, partly in long transactions, and monitors a process's memory."""

    def __init__(self, path):
        super().__init__()
        self.path, self.process = path, None
        self.reads, self.busy, self.memory, self.over = 0, 0, [], False

    def run(self):
        while not self.path.exists() and not self.over:
            time.sleep(0.01)
        database = None
        while not self.over:
            try:
                database = database or sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, isolation_level=None)
                database.execute("BEGIN")
                for query in "SELECT state, count(*) FROM jobs GROUP BY state", "SELECT count(*), max(step) FROM scores", "SELECT * FROM history LIMIT 100":
                    database.execute(query).fetchall()
                    self.reads += 1
                    self.sample()
                    time.sleep(0.05)
                database.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if "locked" in str(error) or "busy" in str(error):
                    self.busy += 1
                elif "no such table" not in str(error):
                    raise
                database = None

    def sample(self):
        try:
            pages = int(Path(f"/proc/{self.process}/statm").read_text().split()[1])
            self.memory.append(pages * resource.getpagesize())
        except (OSError, IndexError):
            pass  # The process has just ended.

    def stop(self):
        self.over = True
        self.join()

    def growth(self):
        """The peak memory in the second and in the last quarter of the time."""
        quarter = max(1, len(self.memory) // 4)
        return max(self.memory[quarter : 2 * quarter]), max(self.memory[-quarter:])


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def say(text):
    load = os.getloadavg()[0]
    print(f"[load {load:.1f}] {text}", file=sys.stderr, flush=True)


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]}, {len(names)} cores" if names else "an unknown CPU"


def main():
    parts = ["cohorts", "jobs", "agents", "plan", "events", "large"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(parts), default=parts)
    parser.add_argument("--sweep", default=ROOT / "target/release/sweep", help="the executable [default: target/release/sweep]")
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - set(parts)
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(parts)}")
    if not Path(arguments.sweep).exists():
        parser.error(f"{arguments.sweep} does not exist: cargo build --release")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="sweep-bench-") as folder:
        bench = Bench(Path(arguments.sweep).resolve(), Path(folder))
        for part in arguments.parts:
            getattr(bench, part)()
    print(f"\n{processor()}; load {load:.1f} at the start, {os.getloadavg()[0]:.1f} at the end. × bar: how many times better than the bar.\n")
    print("| what | × bar | bar | measured: median (min–max) |\n|---|---|---|---|")
    for what, ratio, bar, measured in bench.rows:
        print(f"| {what} | {ratio:.2f} | {bar} | {measured} |")
    return 0 if all(ratio >= 1 for _, ratio, _, _ in bench.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
