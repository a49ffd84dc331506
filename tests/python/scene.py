"""What the tests share: the wheel, installed as a user would, and home directories that the program in it has made.

Importing this puts the package of the wheel on the path, whatever else Python has of that name.
"""

import contextlib
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
WHEEL = pathlib.Path(os.environ.get("SWEEP_WHEEL") or sys.exit("SWEEP_WHEEL names no wheel: run scripts/test-python"))
LIBTORCH = pathlib.Path(os.environ.get("SWEEP_LIBTORCH", ROOT / ".libtorch"))

_folder = tempfile.TemporaryDirectory(prefix="sweep-python-")
FOLDER = pathlib.Path(_folder.name)
zipfile.ZipFile(WHEEL).extractall(FOLDER / "package")
sys.path.insert(0, str(FOLDER / "package"))

SWEEP = """
sweep: quickstart
dataset: gaussians
seeds: 3
model: {generator: [16, 16], discriminator: [16], noise: 8, generator_norm: batch}
train: {steps: 40, batch: 32}
score: {every: 20, samples: 200, sheets: all, metrics: [wasserstein, modes_covered]}
variants:
  - {name: D2GAN, objective: d2gan, grid: {alpha: [0.1, 1], beta: [0.05, 1]}}
  - {name: GAN, objective: gan}
"""


def environment(**more):
    """The variables of this process, without those that tell sweep, Python or the loader where things are."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SWEEP_", "PYTHON", "LD_"))}
    return {**kept, "SWEEP_SLOTS": "1", "PYTHONDONTWRITEBYTECODE": "1", **more}


@functools.cache
def installed():
    """A virtual environment with the wheel, and the part of torch that the program uses.

    That part is torch/lib, where pip puts libtorch. Here it is a link to the repository's libtorch, which has the same
    version and file names.
    """
    venv = FOLDER / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    # A pip from outside installs into it, which is faster than a pip of its own.
    pip = [shutil.which("python3"), "-m", "pip", "--python", venv / "bin" / "python"]
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    subprocess.run([*pip, "install", *options, WHEEL], check=True, env=environment())
    (packages(venv) / "torch").mkdir()
    (packages(venv) / "torch" / "lib").symlink_to((LIBTORCH / "lib").resolve())
    return venv


def packages(venv):
    """Where packages are in a virtual environment."""
    (found,) = (venv / "lib").glob("python3*/site-packages")
    return found


def sweep(*args, cwd, status=0, **more):
    """What the installed program prints on stdout; it must end with `status`, unless that is None."""
    command = [installed() / "bin" / "sweep", *args]
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if status is not None and done.returncode != status:
        raise AssertionError(f"{' '.join(map(str, args))} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


@functools.cache
def home(name="quickstart", text=SWEEP):
    """The home directory of a sweep that was run: `sweep-results` in a folder of its own."""
    folder = FOLDER / name
    folder.mkdir()
    (folder / "sweep.yaml").write_text(text)
    sweep("run", "sweep.yaml", "--no-report", cwd=folder)
    return folder / "sweep-results"


@contextlib.contextmanager
def inside(folder):
    """Works in `folder`; contextlib has this from Python 3.11 on."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def needs(module):
    """Skips a test if `module` is missing, except on CI, where the test fails."""
    try:
        __import__(module)
    except ImportError:
        return unittest.skipUnless(os.environ.get("CI"), f"this Python has no {module}")
    return lambda test: test
