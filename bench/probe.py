"""Sees rows become visible, from a session of its own, and says how long after their records' timestamps."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from psycopg2 import sql
from psycopg2.extensions import connection as Connection  # noqa: N812

from bench.own_stack import Site
from orchestration.ledger.deep_records import BulkReader
from orchestration.resources.brokers import Brokers
from orchestration.resources.sql_files import sql_file

__all__ = ["Probe", "latencies_ms", "stamps"]

SQL: Final = Path(__file__).with_name("sql")
POLL_S: Final = 0.005


class Probe:
    """Polls the rows whose id is a multiple of `step`; `seen_s` is when each event_id was first seen, in Unix time.

    A row may become visible after one with a higher id, or never, if its id was burned: it is looked for until the ids
    are `window_ids` further. `cost_s` holds the duration of each poll, by which a row may have been visible for longer.
    """

    def __init__(self, session: Connection, table: str, step: int, window_ids: int) -> None:
        self._cursor = session.cursor()
        self._query = sql.SQL(sql_file(SQL, "probe")).format(table=sql.Identifier(table))
        self._step, self._window_ids = step, window_ids
        self._newest = 0
        # Ids below the newest that have not been seen: asked for by name, since to read all above the lowest of them
        # again took most of a core.
        self._missing: set[int] = set()
        self.seen_s: dict[str, float] = {}
        self.cost_s: list[float] = []

    def watch(self, until_s: float) -> None:
        """Poll until then (monotonic time)."""
        while (began := time.monotonic()) < until_s:
            self.poll()
            took = time.monotonic() - began
            self.cost_s.append(took)
            time.sleep(max(0.0, POLL_S - took))

    def poll(self) -> int:
        """Note what has become visible; returns the number of rows that are new."""
        parameters = {"above": self._newest, "step": self._step, "missing": sorted(self._missing)}
        self._cursor.execute(self._query, parameters)
        rows = self._cursor.fetchall()
        now, before = time.time(), len(self.seen_s)
        for _, event_id in rows:
            self.seen_s.setdefault(event_id, now)
        self._advance({number for number, _ in rows})
        return len(self.seen_s) - before

    def _advance(self, found: set[int]) -> None:
        newest = max(found | {self._newest})
        oldest = max(self._newest, newest - self._window_ids)
        self._missing |= set(range(oldest - oldest % self._step + self._step, newest, self._step))
        self._missing = {number for number in self._missing - found if number > newest - self._window_ids}
        self._newest = newest


def stamps(site: Site, topic: str, wanted: dict[str, float]) -> dict[str, float]:
    """The records' timestamps of these event_ids, which are the keys, in Unix time."""
    found: dict[str, float] = {}
    with BulkReader(Brokers.of(site.settings), topic) as reader:
        for partition, span in site.kafka.offsets(topic).items():
            for batch in reader.batches(partition, span):
                for message in batch.records:
                    key = (message.key() or b"").decode()
                    if key in wanted:
                        found[key] = message.timestamp()[1] / 1000
    return found


def latencies_ms(seen_s: dict[str, float], stamped_s: dict[str, float], from_s: float) -> list[float]:
    """Ascending; of the records that are stamped at `from_s` or later."""
    return sorted((seen_s[key] - at) * 1000 for key, at in stamped_s.items() if key in seen_s and at >= from_s)
