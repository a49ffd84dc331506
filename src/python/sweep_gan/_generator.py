"""Trained generators as PyTorch networks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._database import Home
from ._errors import SweepError
from ._jobs import AGAIN, Job, job as find

if TYPE_CHECKING:
    import torch

    from ._modules import Generator

FILE = "generators.safetensors"
WEIGHTS = ("ema", "raw")
#: The prefix of the trained weights in a file that also holds their average.
RAW = "raw"


def generator(job: str, home: Home = None, *, weights: str = "ema") -> Generator:
    """The generator that a job trained, as a `torch.nn.Sequential` in evaluation mode.

    It takes noise `[n, noise]` in float32 and gives samples `[n, features]`, as the program does: points in the unit of
    the data set, images in [-1, 1], channel by channel and row by row. The same noise gives the program's samples, up
    to rounding (1e-5). `net.noise` and `net.noise_distribution` describe the noise, and `net.draw(n, seed)` draws it.

    Batch normalisation uses running statistics, and dropout is off. Layers have the numbers of the sweep file's list.
    The weights are stored after weight or spectral normalisation, so those layers do nothing here. With several
    generators (MGAN), the rows of the samples come from each in turn.

    Args:
        job: The job's id, or its first characters.
        home: The home directory. The default is `SWEEP_HOME`, or else `sweep-results`.
        weights: `"ema"` for the average of the weights if the job keeps one, otherwise the weights themselves; `"raw"`
            always for the weights themselves.

    Raises:
        SweepError: If no job or several jobs match, if the job is not done, if your own trainer trained it, if its file
            is damaged, or if torch is missing.

    Example:
        >>> import sweep_gan
        >>> net = sweep_gan.generator(job, home)
        >>> net(net.draw(5, seed=1)).shape
        torch.Size([5, 2])
    """
    if weights not in WEIGHTS:
        raise SweepError(f"weights is {weights!r}: expected 'ema' or 'raw'")
    return of(find(job, home), weights)


def of(job: Job, weights: str) -> Generator:
    model = job.model()
    try:
        import torch  # noqa: F401

        from . import _modules
    except ImportError as error:
        raise SweepError(
            f"generators need torch, which this Python cannot import ({error}): pip install torch"
        ) from error
    path, tensors = stored(job, weights)
    try:
        return _modules.generator(model, tensors)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise SweepError(f"{path}: the weights of job {job.id} do not fit its networks: {error}") from error


def stored(job: Job, weights: str) -> tuple[Path, dict[str, torch.Tensor]]:
    """The file of the newest cohort that has the job's tensors, and the tensors, named without the job."""
    for folder in job.folders:
        path = folder / FILE
        if not path.is_file():
            continue
        tensors = read(path, job.names)
        if tensors:
            raw = {name[len(RAW) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(f"{RAW}.")}
            usual = {name: tensor for name, tensor in tensors.items() if not name.startswith(f"{RAW}.")}
            return path, usual | raw if weights == RAW else usual
    raise job.missing("generator")


def read(path: Path, names: list[str]) -> dict[str, torch.Tensor]:
    """The float32 tensors of a safetensors file whose names begin with one of `names` and a dot, without that prefix.

    The file's checksum is BLAKE3, which Python does not have. So this only notices a file that ends too early or has
    another format.
    """
    import torch

    found: dict[str, Any] = {}
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = int.from_bytes(file.read(8), "little")
            if length > size - 8:
                raise ValueError(f"a header of {length} bytes in a file of {size}")
            header = json.loads(file.read(length))
            for name, of in header.items():
                job, _, rest = name.partition(".")
                if job not in names:
                    continue
                begin, end = of["data_offsets"]
                if of["dtype"] != "F32":
                    raise ValueError(f"{name} is {of['dtype']}, expected F32")
                file.seek(8 + length + begin)
                data = bytearray(file.read(end - begin))
                if len(data) < end - begin:
                    raise ValueError(f"it ends within {name}")
                found[rest] = torch.frombuffer(data, dtype=torch.float32).reshape(of["shape"])
    except OSError as error:
        raise SweepError(f"{path} cannot be read: {error.strerror}") from error
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise SweepError(f"{path} is damaged: {error}: {AGAIN}") from error
    return found
