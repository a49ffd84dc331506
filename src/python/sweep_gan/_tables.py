"""Scores as tables."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any, Literal, Union, overload

from ._database import Home, opened, places, rows
from ._errors import SweepError

if TYPE_CHECKING:
    import pandas

Row = dict[str, Any]
#: The first keys of a row. The keys that a variant sweeps follow.
FIRST = ("sweep", "variant", "job", "objective", "dataset", "seed", "state")


@overload
def results(
    home: Home = ...,
    sweep: str | None = ...,
    *,
    protocol: Mapping[str, Any] | None = ...,
    as_frame: Literal[False] = ...,
) -> list[Row]: ...
@overload
def results(
    home: Home = ..., sweep: str | None = ..., *, protocol: Mapping[str, Any] | None = ..., as_frame: Literal[True]
) -> pandas.DataFrame: ...
def results(
    home: Home = None, sweep: str | None = None, *, protocol: Mapping[str, Any] | None = None, as_frame: bool = False
) -> Union[list[Row], "pandas.DataFrame"]:
    """Jobs with their settings and their scores at the last step: one row for each job in each sweep.

    A row has `sweep`, `variant`, `job`, `objective`, `dataset`, `seed` and `state`; then the keys that the variant
    sweeps (`alpha`, `beta`, …), every parameter and every score that at least one row has, and `step`, `steps` and
    `seconds`. All rows have the same keys. A score is None if the job has not reached its last step or was not
    measured, and NaN if the score is not a number; docs/scores.md has the units. A list in the sweep file (`generator:
    [128, 128]`) is a tuple, and a schedule is a text. The rows come from the database's view `results`.

    Args:
        home: The home directory, or its database. The default is `SWEEP_HOME`, or else `sweep-results`.
        sweep: The name of one sweep. The default is all sweeps of the home directory.
        protocol: Take scores that were measured this way instead of those that the sweep file asks for. It names
            settings of the score's protocol, such as `{"samples": 50000}` after `sweep rescore --samples 50000`. A
            score that was not measured this way is None.
        as_frame: Return a pandas DataFrame, and not a list of dicts.

    Raises:
        SweepError: If there is no such home directory or sweep, if the database cannot be read, if `protocol` fits
            several values of a score, or if pandas is missing.

    Example:
        >>> import sweep_gan
        >>> rows = sweep_gan.results(home, "quickstart")
        >>> sorted({row["alpha"] for row in rows if row["variant"] == "D2GAN"})
        [0.1, 1]
    """
    _, database = places(home)
    with opened(database) as connection:
        found = entries(connection, sweep)
        if protocol is not None:
            measured(connection, found, protocol)
    return table(tidy(found), as_frame)


@overload
def history(
    home: Home = ...,
    sweep: str | None = ...,
    *,
    metric: str | Iterable[str] | None = ...,
    as_frame: Literal[False] = ...,
) -> list[Row]: ...
@overload
def history(
    home: Home = ..., sweep: str | None = ..., *, metric: str | Iterable[str] | None = ..., as_frame: Literal[True]
) -> pandas.DataFrame: ...
def history(
    home: Home = None, sweep: str | None = None, *, metric: str | Iterable[str] | None = None, as_frame: bool = False
) -> Union[list[Row], "pandas.DataFrame"]:
    """Scores and losses during training: one row for each job in each sweep, step and score.

    A row has `sweep`, `variant`, `job`, `objective`, `dataset`, `seed` and `state`, the keys that the variant sweeps,
    and `step`, `metric`, `value` (NaN or ±inf if the score is), `std` (over the splits of one scoring, if there are
    any), `asked` and `protocol`. The last two are JSON and say how the value was asked for and measured; losses have
    None there. Do not average values of a metric whose `asked` or `protocol` differ. Rows are sorted by job in the
    order of the sweep file, then by metric and step. They come from the database's view `history`.

    Args:
        home: The home directory, or its database. The default is `SWEEP_HOME`, or else `sweep-results`.
        sweep: The name of one sweep. The default is all sweeps.
        metric: A score or loss (`"wasserstein"`, `"loss_d"`), or several. The default is all.
        as_frame: Return a pandas DataFrame, and not a list of dicts.

    Raises:
        SweepError: If there is no such home directory or sweep, if no job has a value of `metric`, if the database
        cannot
            be read, or if pandas is missing.

    Example:
        >>> import sweep_gan
        >>> rows = sweep_gan.history(home, "quickstart", metric="wasserstein")
        >>> sorted({row["step"] for row in rows})
        [20, 40]
    """
    wanted = None if metric is None else [metric] if isinstance(metric, str) else list(metric)
    _, database = places(home)
    with opened(database) as connection:
        found = entries(connection, sweep)
        where = "" if wanted is None else f" WHERE metric IN ({', '.join('?' * len(wanted))})"
        columns = "job, metric, step, value, kind, std, asked, protocol"
        sql = f"SELECT {columns} FROM history{where} ORDER BY job, metric, step, asked"
        scores: dict[str, list[Row]] = {}
        for row in rows(connection, sql, wanted or ()):
            scores.setdefault(row["job"], []).append(row)
        if wanted is not None:
            for name in wanted:
                if not any(score["metric"] == name for entry in found for score in scores.get(entry["job"], [])):
                    raise SweepError(f"{database}: no job has a value of {name!r}: {known(connection, found)}")
    series = []
    for entry in found:
        jobs = {key: entry[key] for key in FIRST} | swept(entry)
        for score in scores.get(entry["job"], []):
            value = math.nan if score["kind"] == "nan" else score["value"]
            rest = {"std": score["std"], "asked": score["asked"], "protocol": score["protocol"]}
            series.append(jobs | {"step": score["step"], "metric": score["metric"], "value": value} | rest)
    return table(same(series), as_frame)


def entries(connection: Connection, sweep: str | None) -> list[Row]:
    """The rows of the view `results`, with NaN for scores that are NaN."""
    where, values = ("", ()) if sweep is None else (" WHERE sweep = ?", (sweep,))
    found = rows(connection, f"SELECT * FROM results{where}", values)
    if sweep is not None and not found:
        names = [name for (name,) in connection.execute("SELECT DISTINCT sweep FROM results ORDER BY 1")]
        raise SweepError(
            f"there is no sweep {sweep!r} here: {'there are ' + ', '.join(names) if names else 'no sweep has been run'}"
        )
    for row in found:
        for name in filter(None, row["nan_scores"].split(",")):
            row[column(row, name)] = math.nan
    return found


def column(row: Row, score: str) -> str:
    """The column of a score. If a parameter has its name, the column has `_score` behind it."""
    return f"{score}_score" if f"{score}_score" in row else score


def swept(entry: Row) -> Row:
    """The keys that a job's variant sweeps, with its values. `_parameter` follows a name that is in FIRST."""
    axes = json.loads(entry["axes"])
    return {f"{name}_parameter" if name in FIRST else name: plain(value) for name, value in axes.items()}


def plain(value: Any) -> Any:
    """A value of a sweep file as one that can be a key of a dict or of pandas' groups."""
    if isinstance(value, list):
        return tuple(value)
    return json.dumps(value) if isinstance(value, dict) else value


def tidy(found: list[Row]) -> list[Row]:
    """Rows that say first which job, then its settings, then its scores, without columns that nobody has."""
    tidied = []
    has = [name for name in (found[0] if found else ()) if any(row[name] is not None for row in found)]
    rest = [name for name in has if name not in (*FIRST, "axes", "nan_scores")]
    for row in found:
        first = {name: row[name] for name in FIRST}
        # The database has lists as text, so the value of the sweep file wins.
        tidied.append({**first, **{name: row[name] for name in rest if row[name] is not None}, **swept(row)})
    return same(tidied, [*FIRST, *dict.fromkeys(name for row in found for name in swept(row)), *rest])


def same(table: list[Row], order: Iterable[str] = ()) -> list[Row]:
    """The rows with the same keys in the same order, with None for keys that a row did not have."""
    begin = [name for name in FIRST] if table else []
    last = ("step", "metric", "value", "std", "asked", "protocol")
    keys = dict.fromkeys(order) or dict.fromkeys(
        [*begin, *(name for row in table for name in row if name not in last), *last]
    )
    return [{key: row.get(key) for key in keys} for row in table]


def measured(connection: Connection, found: list[Row], protocol: Mapping[str, Any]) -> None:
    """Replaces the scores at the last step by those that were measured by `protocol`."""
    sql = "SELECT job, step, metric, value, kind, asked, protocol FROM history WHERE protocol IS NOT NULL"
    values: dict[tuple[str, int], dict[str, list[float]]] = {}
    names: set[str] = set()
    for row in rows(connection, sql):
        names.add(row["metric"])
        how = json.loads(row["asked"]) | settings(json.loads(row["protocol"]))
        if all(key in how and how[key] == value for key, value in protocol.items()):
            value = math.nan if row["kind"] == "nan" else row["value"]
            values.setdefault((row["job"], row["step"]), {}).setdefault(row["metric"], []).append(value)
    for row in found:
        of = values.get((row["job"], row["steps"]), {})
        for name in names:
            several = of.get(name, [])
            if len(several) > 1:
                raise SweepError(
                    f"{name} of job {row['job']} was measured in {len(several)} ways that have {dict(protocol)}: "
                    "name more settings"
                )
            row[column(row, name)] = several[0] if several else None


def settings(protocol: Any) -> Row:
    return protocol if isinstance(protocol, dict) else {}


def known(connection: Connection, found: list[Row]) -> str:
    jobs = {row["job"] for row in found}
    pairs = connection.execute("SELECT DISTINCT metric, job FROM history")
    names = sorted({metric for metric, job in pairs if job in jobs})
    return f"there are {', '.join(names)}" if names else "no job has been scored yet"


def table(found: list[Row], as_frame: bool) -> Any:
    if not as_frame:
        return found
    try:
        import pandas
    except ImportError as error:
        raise SweepError("as_frame=True needs pandas, which this Python does not have: pip install pandas") from error
    return pandas.DataFrame(found)
