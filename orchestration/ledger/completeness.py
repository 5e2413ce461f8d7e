"""What the decisions of `orchestration.ledger.hourly` are taken on, read from the servers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import psycopg2.extensions

from orchestration.ledger import hourly
from orchestration.ledger.hourly import Book, Completed, Counts
from orchestration.ledger.offsets import OffsetRange, OffsetSet
from orchestration.ledger.reader import RawRecord, RecordReader
from orchestration.ledger.statements import statement
from orchestration.ledger.store import LedgerStore, moment_of
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import Settings

Connection = psycopg2.extensions.connection

# Hours completed in one tick, and the time for recounts: a tick is killed after 60 s.
HOURS_PER_TICK: Final = 24
RECOUNT_S: Final = 5.0
# LOST offsets that are dated by reading their records. With more of them no hour is called complete.
DATED_LOST: Final = 1_000


def take(
    settings: Settings, kafka: KafkaResource, postgres: PostgresResource, book: Book, now: datetime
) -> tuple[Book, list[Completed]]:
    """One tick: note the goals of hours that are over, report what became complete, and what has changed.

    Raises:
        TransientError: a server is out of reach.
    """
    topic = settings.kafka_topic
    offsets = kafka.offsets(topic)
    with (
        postgres.connect("reader") as connection,
        RecordReader(kafka.brokers, topic) as reader,
    ):
        first = "" if book.newest else _first_hour(reader, offsets, settings.hourly_start)
        if not book.newest and not first:
            return book, []
        ends = {partition: span.end for partition, span in offsets.items() if span.end > 0}
        book = hourly.with_goals(book, first, hourly.last_over(now, settings.hourly_grace_s), ends)
        lost = _lost_by_hour(connection, reader, topic)
        if lost is None:
            return book, []
        count = _counter(connection, topic, lost)
        due = hourly.due(book, LedgerStore(connection, topic).audited_to(), HOURS_PER_TICK)
        book, done = hourly.settle(book, due, count)
        rule = hourly.Revision(settings.hourly_window_h, settings.hourly_revise_s, _within(RECOUNT_S))
        book, changed = hourly.revise(book, count, now.timestamp(), rule)
    return book, [*done, *changed]


def _first_hour(reader: RecordReader, offsets: Mapping[int, OffsetRange], start: str) -> str:
    """The hour of the oldest record that a partition begins with; empty while there is none."""
    begins = (
        next(reader.read_range(partition, span.begin, span.end), None)
        for partition, span in offsets.items()
        if span.begin < span.end
    )
    hours = _hours(record for record in begins if record is not None)
    return max(min(hours), start) if hours else ""


def _hours(records: Iterable[RawRecord]) -> Counter[str]:
    """Records by hour; one without a timestamp that a date can hold is of no hour."""
    moments = (moment_of(record.timestamp_ms) for record in records)
    return Counter(hourly.key(moment) for moment in moments if moment is not None)


def _lost_by_hour(connection: Connection, reader: RecordReader, topic: str) -> Counter[str] | None:
    """LOST offsets by the hour of their records, which are read for it; None if there are too many."""
    spans: dict[int, list[OffsetRange]] = {}
    for partition, begin, end in _query(connection, "hourly_lost", {"topic": topic, "limit": DATED_LOST + 1}):
        spans.setdefault(partition, []).append(OffsetRange(begin, end))
    lost = {partition: OffsetSet.of_ranges(ranges) for partition, ranges in spans.items()}
    if sum(offsets.count for offsets in lost.values()) > DATED_LOST:
        return None
    records = (record for partition, offsets in lost.items() for record in reader.read_offsets(partition, offsets))
    return _hours(records)


def _counter(connection: Connection, topic: str, lost: Counter[str]) -> Callable[[str], Counts]:
    def count(hour: str) -> Counts:
        begin = hourly.begin_of(hour)
        bounds = {"topic": topic, "begin": begin, "end": begin + hourly.HOUR}
        ((dead, landed, fingerprint),) = _query(connection, "hourly_counts", bounds)
        return Counts(landed, dead, lost[hour], fingerprint)

    return count


def _query(connection: Connection, name: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection, connection.cursor() as cursor:
        cursor.execute(statement(name), parameters)
        return list(cursor.fetchall())


def _within(seconds: float) -> Callable[[], bool]:
    deadline = time.monotonic() + seconds
    return lambda: time.monotonic() < deadline


def replace_locations(postgres: PostgresResource, begin: datetime, end: datetime) -> tuple[int, int]:
    """Write the table `location_hourly` anew for the hours from `begin` to `end`: its rows, and the events in them.

    In one transaction and one after another, so that a second run of the same hours changes nothing.
    """
    bounds = {"begin": begin, "end": end}
    with postgres.connect("auditor") as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement("hourly_locations_lock"))
        cursor.execute(statement("hourly_locations_delete"), bounds)
        cursor.execute(statement("hourly_locations_insert"), bounds)
        events = [count for (count,) in cursor.fetchall()]
    return len(events), sum(events)
