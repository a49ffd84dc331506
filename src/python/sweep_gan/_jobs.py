"""Finds jobs by their ids, and the files that training left of them in the home directory (docs/results.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ._database import Home, opened, places, rows
from ._errors import SweepError

#: The most jobs that a message names.
SHOWN = 5
#: What to do about a lost file of a finished job, which no run trains again.
AGAIN = "restore it from a copy, or train the job again with `sweep run FILE --home` and another folder"


@dataclass
class Job:
    """One job of the database."""

    id: str
    state: str
    #: Data set, objective, networks and training, which all jobs of a shape share.
    settings: dict[str, Any]
    home: Path
    #: Names that its files may have: its id, and its ids in earlier versions of the program.
    names: list[str] = field(default_factory=list)
    #: Folders of its cohorts, the newest first.
    folders: list[Path] = field(default_factory=list)

    def model(self) -> dict[str, Any]:
        """The settings of its networks.

        Raises:
            SweepError: If your own trainer trained it: the database does not know those networks.
        """
        if "model" not in self.settings:
            raise SweepError(
                f"your own trainer trained job {self.id}, and sweep does not know its networks: "
                f"load what the trainer left in {self.home / 'jobs' / self.id}"
            )
        return self.settings["model"]

    def missing(self, what: str) -> SweepError:
        """The error that something is not there, with the reason as far as the job's state tells it."""
        where = ", ".join(str(folder) for folder in self.folders) or f"{self.home} has no folder for it"
        if self.state == "done":
            advice = f"the file was removed: {AGAIN}"
        else:
            advice = f"a job writes it when it is done, and this one is {self.state}: `sweep show {self.id}` says why"
        return SweepError(f"job {self.id} has no {what} ({where}): {advice}")


def job(prefix: str, home: Home) -> Job:
    """The job whose id, or earlier id, begins with `prefix`.

    Raises:
        SweepError: If none matches, or several do.
    """
    folder, database = places(home)
    prefix = str(prefix).strip().lower()
    if not prefix:
        raise SweepError("the id of a job is empty: give its first characters")
    sql = "SELECT * FROM files WHERE substr(job, 1, ?) = ? OR (',' || names) LIKE '%,' || ? || '%'"
    with opened(database) as connection:
        safe = prefix.replace("%", "").replace("_", "")
        found = rows(connection, sql, (len(prefix), prefix, safe))
    jobs: dict[str, Job] = {}
    for row in found:
        names = [row["job"], *(row["names"] or "").split(",")]
        if not any(name.startswith(prefix) for name in names):
            continue
        if row["job"] not in jobs:
            settings = json.loads(row["settings"])
            jobs[row["job"]] = Job(row["job"], row["state"], settings, folder, [name for name in names if name])
        if row["directory"]:
            jobs[row["job"]].folders.append(folder / row["directory"])
    if not jobs:
        raise SweepError(
            f"{database} has no job whose id begins with {prefix!r}: `sweep_gan.results` lists the ids in `job`"
        )
    if len(jobs) > 1:
        shown = ", ".join(list(jobs)[:SHOWN]) + (", …" if len(jobs) > SHOWN else "")
        raise SweepError(f"the ids of {len(jobs)} jobs begin with {prefix!r} ({shown}): give more characters")
    return next(iter(jobs.values()))
