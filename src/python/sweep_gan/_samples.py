"""Samples of trained generators."""

from __future__ import annotations

import ast
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Union

from ._database import Home
from ._errors import SweepError
from ._generator import of
from ._jobs import Job, job as find

if TYPE_CHECKING:
    import numpy

#: How many samples the generator makes at a time. It bounds the memory, and several generators' turns start again
#: there, as in the program.
AT_ONCE = 1000


def samples(
    job: str, n: int | None = None, seed: int = 0, home: Home = None
) -> Union["numpy.ndarray", list[list[float]]]:
    """Samples of a job's generator, `[n, features]` in float32: a NumPy array, or lists if there is no NumPy.

    Without `n`, these are the samples that the program saved after the last step: for points, the first 1,000, or as
    many as 65,536 numbers hold. All jobs made them from the same noise. With `n`, the generator makes new ones from
    noise that torch draws; `generator` says what a sample is. The same `seed` gives the same samples.

    Args:
        job: The job's id, or its first characters.
        n: How many samples to make. The default is the saved ones.
        seed: The seed of the noise for new samples.
        home: The home directory. The default is `SWEEP_HOME`, or else `sweep-results`.

    Raises:
        SweepError: If no job or several jobs match, if no samples were saved (for images there is only a sheet: give
            `n`), if `n` is not positive, or for the reasons of `generator`.

    Example:
        >>> import sweep_gan
        >>> sweep_gan.samples(job, home=home).shape
        (1000, 2)
        >>> sweep_gan.samples(job, n=300, seed=7, home=home).shape
        (300, 2)
    """
    found = find(job, home)
    if n is None:
        return saved(found)
    if n <= 0:
        raise SweepError(f"n is {n}: expected at least one sample")
    net = of(found, "ema")
    import torch

    with torch.no_grad():
        made = torch.cat([net(noise) for noise in net.draw(n, seed).split(AT_ONCE)])
    try:
        return made.numpy()
    except RuntimeError:  # This is what torch raises without NumPy.
        return made.tolist()


def saved(job: Job) -> Union["numpy.ndarray", list[list[float]]]:
    """The array that lies beside the sample sheet of the last step."""
    paths = [folder / "samples" / f"{name}.npy" for folder in job.folders for name in job.names]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        if any(path.with_suffix(".png").is_file() for path in paths):
            raise SweepError(f"job {job.id} saved only a sheet of images: give n, and its generator makes new samples")
        raise job.missing("saved samples")
    try:
        try:
            import numpy
        except ImportError:
            return listed(path)
        return numpy.load(path)
    except OSError as error:
        raise SweepError(f"{path} cannot be read: {error}") from error
    except (SyntaxError, ValueError, struct.error) as error:
        raise SweepError(f"{path} is damaged: {error}: give n, and the job's generator makes new samples") from error


def listed(path: Path) -> list[list[float]]:
    """An array `[n, features]` of float32 as `numpy.save` writes it."""
    data = path.read_bytes()
    if data[:8] != b"\x93NUMPY\x01\x00":
        raise ValueError("not an array of NumPy, version 1.0")
    (length,) = struct.unpack("<H", data[8:10])
    header = ast.literal_eval(data[10 : 10 + length].decode("latin1").strip())
    n, features = header["shape"]
    if header["descr"] != "<f4" or header["fortran_order"]:
        raise ValueError(f"expected float32 in rows, found {header}")
    values = struct.unpack_from(f"<{n * features}f", data, 10 + length)
    return [list(values[row * features : (row + 1) * features]) for row in range(n)]
