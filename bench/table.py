"""The tables that contestants fill: emptied before a run, watched while it goes on, counted at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from psycopg2 import sql

from bench.figures import Sample
from bench.own_stack import Site
from orchestration.resources.sql_files import sql_file

__all__ = ["EVENTS", "PLAIN", "Stalled", "empty", "newest_id", "query", "tally", "watch"]

EVENTS: Final = "events"
PLAIN: Final = "plain_events"
SQL: Final = Path(__file__).with_name("sql")
POLL_S: Final = 0.1
PATIENCE_S: Final = 120.0


class Stalled(Exception):
    """Rows stopped landing before all were there."""


def query(site: Site, name: str, **identifiers: str) -> list[tuple[Any, ...]]:
    """Execute a file of `bench/sql` as superuser; `identifiers` are put where it says so. Returns its rows, if any."""
    statement = sql.SQL(sql_file(SQL, name)).format(**{key: sql.Identifier(v) for key, v in identifiers.items()})
    with site.session.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def empty(site: Site) -> None:
    """Both tables as new, and nothing left for a checkpoint of Postgres to write."""
    query(site, "plain_events", owner=site.settings.postgres_owner)
    query(site, "empty")
    with site.session.cursor() as cursor:
        cursor.execute("CHECKPOINT")


def newest_id(site: Site, table: str) -> int:
    """The newest visible row's. Ids start at 1 in an emptied table; an upsert that hits a row burns one."""
    return int(query(site, "newest_id", table=table)[0][0])


def tally(site: Site, table: str) -> tuple[int, int]:
    """Rows, and distinct event_ids."""
    rows, distinct = query(site, "tally", table=table)[0]
    return int(rows), int(distinct)


def watch(
    site: Site, table: str, rows: int, check: Callable[[], None], patience_s: float = PATIENCE_S, base: int = 0
) -> list[Sample]:
    """Wait until `rows` rows have landed above the `base` that were there; how many had by when, to a tenth of a second.

    The newest id stands for the count, which would cost a scan. `check` raises what ends the wait.

    Raises:
        Stalled: none has landed for `patience_s`.
    """
    samples = [Sample(time.monotonic(), 0)]
    moved_at = time.monotonic()
    while samples[-1].rows < rows:
        check()
        time.sleep(POLL_S)
        now, seen = time.monotonic(), newest_id(site, table) - base
        if seen >= rows:  # ids may have been burned
            now, seen = time.monotonic(), min(tally(site, table)[0] - base, rows)
        if seen > samples[-1].rows:
            moved_at = now
        elif now - moved_at > patience_s:
            raise Stalled(f"{samples[-1].rows:,} of {rows:,} rows landed, and none for {patience_s:.0f} s")
        samples.append(Sample(now, max(seen, samples[-1].rows)))
    return samples
