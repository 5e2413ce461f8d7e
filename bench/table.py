"""The tables that contestants fill: emptied before a run, watched while it goes on, counted at its end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from psycopg2 import sql

from bench.figures import Sample
from bench.load import Goal
from bench.own_stack import Site
from orchestration.resources.sql_files import sql_file

__all__ = ["EVENTS", "PLAIN", "StalledError", "empty", "newest_id", "prefill", "query", "rows_in", "tally", "watch"]

EVENTS: Final = "events"
PLAIN: Final = "plain_events"
SQL: Final = Path(__file__).with_name("sql")
POLL_S: Final = 0.1
# Nothing has landed for so long: the rows are counted.
IDLE_S: Final = 2.0
PATIENCE_S: Final = 120.0


class StalledError(Exception):
    """Rows stopped landing before all were there."""


def query(
    site: Site, name: str, parameters: Mapping[str, object] | None = None, **identifiers: str
) -> list[tuple[Any, ...]]:
    """Execute a file of `bench/sql` as superuser; `identifiers` are put where it says so. Returns its rows, if any."""
    statement = sql.SQL(sql_file(SQL, name)).format(**{key: sql.Identifier(v) for key, v in identifiers.items()})
    with site.session.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall()) if cursor.description else []


def empty(site: Site) -> None:
    """Both tables as new, and nothing left for a checkpoint of Postgres to write."""
    query(site, "plain_events", owner=site.settings.postgres_owner)
    query(site, "empty")
    query(site, "checkpoint")


def prefill(site: Site, rows: int) -> None:
    """Put so many rows into `events`, and leave nothing to do for autovacuum or a checkpoint."""
    for name in ("prefill", "vacuum", "checkpoint"):
        query(site, name, {"rows": rows})


def newest_id(site: Site, table: str) -> int:
    """The newest visible row's. Ids start at 1 in an emptied table; an upsert that hits a row burns one."""
    return int(query(site, "newest_id", table=table)[0][0])


def last_id(site: Site, table: str) -> int:
    """The last one taken, be it by a row that is not yet visible or by an upsert that hit a row."""
    return int(query(site, "last_id", sequence=f"{table}_id_seq")[0][0])


def rows_in(site: Site, table: str) -> int:
    """Rows; scans an index."""
    return int(query(site, "count", table=table)[0][0])


def tally(site: Site, table: str) -> tuple[int, int]:
    """Rows, and distinct event_ids."""
    rows, distinct = query(site, "tally", table=table)[0]
    return int(rows), int(distinct)


def watch(site: Site, table: str, goal: Goal, check: Callable[[], None], *, base: int = 0) -> list[Sample]:
    """Wait until the goal is reached, above the `base` rows that were there; how many rows had landed by when.

    To a tenth of a second. The newest id stands for the count, which would cost a scan: each valid event takes one.
    `check` raises what ends the wait.

    Raises:
        StalledError: none has landed for a while.
    """
    samples = [Sample(time.monotonic(), _landed(site, table, goal, base))]
    moved_at = time.monotonic()
    while samples[-1].rows < goal.rows:
        check()
        time.sleep(POLL_S)
        taken = last_id(site, table) - base
        seen = _landed(site, table, goal, base)
        # A batch that was tried again has burned ids, and what took the last one may not be committed.
        if taken >= goal.valid or (samples[-1].rows and time.monotonic() > moved_at + IDLE_S):
            seen = min(rows_in(site, table) - base, goal.rows)
        now = time.monotonic()
        if seen > samples[-1].rows:
            moved_at = now
        elif now - moved_at > PATIENCE_S:
            raise StalledError(f"{samples[-1].rows:,} of {goal.rows:,} rows landed, and none for {PATIENCE_S:.0f} s")
        samples.append(Sample(now, max(seen, samples[-1].rows)))
    return samples


def _landed(site: Site, table: str, goal: Goal, base: int) -> int:
    """An estimate by the newest id; never all, which only a count can tell."""
    return min((newest_id(site, table) - base) * goal.rows // goal.valid, goal.rows - 1)
