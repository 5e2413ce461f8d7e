"""What the deep audit reads from and writes to Postgres."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

import psycopg2.extensions
from psycopg2.extras import execute_values

from orchestration.ledger.content import EVENT_ID, Content, Finding, Letter
from orchestration.ledger.statements import statement
from orchestration.resources.postgres import PostgresResource
from orchestration.resources.topics import OffsetRange

__all__ = ["ROLE", "AuditStore", "RowStream", "row_stream"]

ROLE: Final = "auditor"
FETCH_ROWS = 10_000
_ROWS_TIMEOUT_S: Final = 1_800  # the first fetch sorts a whole section

Connection = psycopg2.extensions.connection


class RowStream:
    """Rows in the order of partition and offset, fetched one block ahead of their use."""

    def __init__(self, connection: Connection, fetcher: ThreadPoolExecutor) -> None:
        self._cursor = connection.cursor()
        self._fetcher = fetcher
        self._rows: list[Content] = []
        self._next: Future[list[Content]] = fetcher.submit(self._fetch)

    def up_to(self, partition: int, end: int) -> list[Content]:
        """The rows before offset `end` of the partition that no earlier call gave out."""
        bound = (partition, end)
        while not self._rows or self._rows[-1][:2] < bound:
            block = self._next.result()
            if not block:
                break
            self._rows += block
            self._next = self._fetcher.submit(self._fetch)
        cut = bisect_left(self._rows, bound)
        given, self._rows = self._rows[:cut], self._rows[cut:]
        return given

    def _fetch(self) -> list[Content]:
        self._cursor.execute(f"FETCH {FETCH_ROWS} FROM deep_rows")
        return self._cursor.fetchall()


@contextmanager
def row_stream(postgres: PostgresResource, spans: Mapping[int, OffsetRange]) -> Iterator[RowStream]:
    """The rows of `events` in the ranges, all of one moment (one statement on a connection of its own)."""
    bounds = {
        "partitions": list(spans),
        "begins": [span.begin for span in spans.values()],
        "ends": [span.end for span in spans.values()],
        "lowest": min(span.begin for span in spans.values()),
        "highest": max(span.end for span in spans.values()),
    }
    with postgres.connect(ROLE) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{_ROWS_TIMEOUT_S}s'")
            cursor.execute("SET LOCAL work_mem = '64MB'")
            cursor.execute(statement("deep_rows"), bounds)
        with ThreadPoolExecutor(1, "deep-audit-rows") as fetcher:
            try:
                yield RowStream(connection, fetcher)
            finally:
                # Else an audit that fails would first wait for the block under way.
                connection.cancel()


class AuditStore:
    """One deep audit in the database: look-ups while it runs, its findings, and its end."""

    def __init__(self, connection: Connection, topic: str, spans: Mapping[int, OffsetRange]) -> None:
        connection.autocommit = True
        self._cursor = connection.cursor()
        self._topic = topic
        ranges = json.dumps({partition: [span.begin, span.end] for partition, span in spans.items()})
        self._cursor.execute(statement("deep_begin"), {"topic": topic, "ranges": ranges})
        self.audit_id = int((self._cursor.fetchone() or (0,))[0])

    def rows_by_id(self, event_ids: Sequence[str]) -> Mapping[str, Sequence[Content]]:
        """The rows of these event_ids as they are now; several only if the unique index is gone."""
        found: dict[str, list[Content]] = defaultdict(list)
        if event_ids:
            for row in self._query("deep_rows_by_id", {"event_ids": list(event_ids)}):
                found[row[EVENT_ID]].append(row)
        return found

    def letters(self, partition: int, span: OffsetRange) -> list[Letter]:
        """The dead letters of the range."""
        bounds = {"topic": self._topic, "partition": partition, "begin": span.begin, "end": span.end}
        return [Letter(*row[:2], *map(_bytes, row[2:])) for row in self._query("deep_letters", bounds)]

    def keep(self, findings: Iterable[Finding]) -> None:
        """Write findings down at once, so that an audit which is cut off has told what it found."""
        rows = [
            (self.audit_id, self._topic, f.partition, f.offset, f.kind.value, f.expected, f.found) for f in findings
        ]
        if rows:
            execute_values(self._cursor, statement("deep_finding"), rows)

    def end(self, totals: Mapping[str, int], counts: Mapping[str, int]) -> None:
        """Mark the audit as complete; `counts` are findings by kind."""
        self._cursor.execute(statement("deep_end"), {"id": self.audit_id, **totals, "counts": json.dumps(counts)})

    def _query(self, name: str, parameters: Mapping[str, Any]) -> list[Any]:
        self._cursor.execute(statement(name), parameters)
        return self._cursor.fetchall()


def _bytes(digest: memoryview | None) -> bytes | None:
    return None if digest is None else bytes(digest)
