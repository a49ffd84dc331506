"""Reads the database of a home directory through its public views."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Union

from ._errors import SweepError

#: A home directory, or a database in one. None means what `SWEEP_HOME` and `SWEEP_DB` say, as for the program.
Home = Union[str, "os.PathLike[str]", None]

USUAL = "sweep-results"
DATABASE = "sweep.db"
VIEWS = ("results", "history", "files")


def places(home: Home) -> tuple[Path, Path]:
    """The home directory and the database that `home` names."""
    if home is None:
        folder = Path(os.environ.get("SWEEP_HOME") or USUAL)
        database = Path(os.environ.get("SWEEP_DB") or folder / DATABASE)
    else:
        folder = Path(home)
        folder, database = (folder.parent, folder) if folder.is_file() else (folder, folder / DATABASE)
    if not folder.exists():
        raise SweepError(f"there is no {folder}: name the home directory of a run (usually {USUAL}), or its {DATABASE}")
    if not database.is_file():
        raise SweepError(
            f"{database} is missing: if {folder} is a home directory, `sweep rebuild --home {folder}` makes it again"
        )
    return folder, database


@contextmanager
def opened(database: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, with rows by name. It turns SQLite's errors into `SweepError`."""
    try:
        connection = connect(database)
        try:
            connection.row_factory = sqlite3.Row
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise SweepError(
            f"{database} cannot be read: {error}: `sweep doctor` checks it, and `sweep rebuild` makes it again"
        ) from error


def connect(database: Path) -> sqlite3.Connection:
    address = database.resolve().as_uri()
    try:
        return checked(sqlite3.connect(f"{address}?mode=ro", uri=True), database)
    except sqlite3.OperationalError:
        # SQLite makes files beside the database, which it cannot do in a read-only folder. It needs none of them if
        # nobody has the database open.
        if Path(f"{database}-wal").exists():
            raise
        return checked(sqlite3.connect(f"{address}?immutable=1", uri=True), database)


def checked(connection: sqlite3.Connection, database: Path) -> sqlite3.Connection:
    try:
        found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'")}
    except sqlite3.Error:
        connection.close()
        raise
    missing = [view for view in VIEWS if view not in found]
    if missing:
        connection.close()
        raise SweepError(
            f"{database} has no view {missing[0]!r}: an earlier version of sweep, or another program, made it. "
            "`sweep run` with one of its files, or `sweep rebuild`, brings a database up to date"
        )
    return connection


def rows(connection: sqlite3.Connection, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(sql, tuple(values))]
