"""How the rows of a replay's range stand before and after it, and the record that is kept of that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any, Final

from psycopg2.extras import Json

from orchestration.ledger.deep_audit import sections
from orchestration.lifecycle.replay_ranges import Ranges, parse, to_json
from orchestration.lifecycle.statements import one, run, transaction
from orchestration.resources.postgres import PostgresResource
from orchestration.resources.topics import OffsetRange

# Offsets of one statement, which takes a few seconds.
SECTION_OFFSETS: Final = 5_000_000
TIMEOUT_S: Final = 1_800
NEVER: Final = datetime(9999, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Figures:
    """Rows in the range, their checksum, and the offsets of the range that the ledger calls LOST."""

    rows: int
    checksum: Decimal
    lost: int


@dataclass(frozen=True)
class Begun:
    """A replay under way: its ranges, the figures before it, and when it began by Postgres' clock and transactions."""

    ranges: Ranges
    before: Figures
    began_at: datetime
    began_xid: str


@dataclass(frozen=True)
class Effect:
    """The figures after a replay, and the rows of the range that it inserted and rewrote."""

    after: Figures
    added: int
    changed: int


@dataclass(frozen=True)
class Elsewhere:
    """Rows of some hours, by the record's timestamp, whose offsets are not among those of the hours."""

    rows_gone_from_kafka: int
    rows_among_other_hours: int


def rows_elsewhere(
    postgres: PostgresResource, ranges: Ranges, retained: Ranges, hours: tuple[datetime, datetime]
) -> Elsewhere:
    """Count the rows stamped from the first moment to the second that no replay of `ranges` comes to."""
    spans = {
        "partitions": list(ranges),
        "begins": [span.begin for span in ranges.values()],
        "ends": [span.end for span in ranges.values()],
        "log_begins": [retained[number].begin for number in ranges],
    }
    with transaction(postgres, "reader") as cursor:
        cursor.execute("SET statement_timeout = %s", (TIMEOUT_S * 1000,))
        found = one(cursor, "replay_elsewhere", **spans, since=hours[0], until=hours[1]) or {}
    return Elsewhere(found["gone"], found["elsewhere"])


@dataclass(frozen=True)
class FigureStore:
    """Measures, and keeps what it measured in the table `replays`; one for each replay, known by its job's name."""

    postgres: PostgresResource
    job_name: str
    topic: str

    def begin(self, ranges: Ranges) -> Begun:
        """Measure what is there before; or go on with the replay that an earlier run began and did not end."""
        if known := self._under_way():
            return known
        found = self._measure(ranges, NEVER, "0").after
        with transaction(self.postgres) as cursor:
            names = {"job_name": self.job_name, "topic": self.topic}
            row = one(cursor, "replay_begin", **names, ranges=Json(to_json(ranges)), **vars(found)) or {}
        return Begun(ranges, found, row["began_at"], row["began_xid"])

    def end(self, begun: Begun) -> Effect:
        """Measure again and write it down; with that the replay's writer lease has ended."""
        effect = self._measure(begun.ranges, begun.began_at, begun.began_xid)
        values = {**vars(effect.after), "added": effect.added, "changed": effect.changed}
        with transaction(self.postgres) as cursor:
            run(cursor, "replay_end", job_name=self.job_name, **values)
        return effect

    def lost(self, ranges: Ranges) -> int:
        """Offsets of the ranges that the ledger calls LOST now."""
        places = ({"partition": n, "begin": span.begin, "end": span.end} for n, span in ranges.items())
        with transaction(self.postgres, "reader") as cursor:
            found = (one(cursor, "replay_lost", topic=self.topic, **place) or {} for place in places)
            return sum(int(row["lost"]) for row in found)

    def _under_way(self) -> Begun | None:
        with transaction(self.postgres) as cursor:
            row = one(cursor, "replay_under_way", job_name=self.job_name)
        if row is None:
            return None
        before = Figures(row["rows"], row["checksum"], row["lost"])
        return Begun(parse(row["ranges"]), before, row["began_at"], row["began_xid"])

    def _measure(self, ranges: Ranges, began_at: datetime, began_xid: str) -> Effect:
        rows = added = changed = 0
        checksum = Decimal(0)
        for section in sections(ranges, SECTION_OFFSETS):
            for number, span in section.items():
                found = self._rows(number, span, began_at, began_xid)
                rows, checksum = rows + found["rows"], checksum + found["checksum"]
                added, changed = added + found["added"], changed + found["changed"]
        return Effect(Figures(rows, checksum, self.lost(ranges)), added, changed)

    def _rows(self, partition: int, span: OffsetRange, began_at: datetime, began_xid: str) -> dict[str, Any]:
        with transaction(self.postgres, "reader") as cursor:
            cursor.execute("SET statement_timeout = %s", (TIMEOUT_S * 1000,))
            place = {"partition": partition, "begin": span.begin, "end": span.end}
            return one(cursor, "replay_rows", **place, began_at=began_at, began_xid=began_xid) or {}
