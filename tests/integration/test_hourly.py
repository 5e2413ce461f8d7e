"""Hours of completeness on the real broker and database; the ledger's rows are the test's own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from confluent_kafka import Producer

from orchestration.errors import TransientError
from orchestration.ledger import completeness
from orchestration.ledger.hourly import Book, Completed, Counts, key
from orchestration.resources.kafka import KafkaResource, TopicSpec
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import Settings

NOW = datetime.now(timezone.utc).replace(minute=30, second=0, microsecond=0) - timedelta(hours=1)
H1, H2, H3 = (NOW - timedelta(hours=hours) for hours in (3, 2, 1))


def execute(postgres: PostgresResource, text: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with postgres.connect("owner") as connection, connection, connection.cursor() as cursor:
        cursor.execute(text, parameters)
        return list(cursor.fetchall()) if cursor.description else []


class Pipeline:
    """A topic, its table and its ledger, filled by hand; every record goes to partition 0."""

    def __init__(self, settings: Settings, kafka: KafkaResource, postgres: PostgresResource) -> None:
        self.settings, self.kafka, self.postgres = settings, kafka, postgres
        self.book = Book()
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})

    def produce(self, *moments: datetime) -> None:
        """One record for each moment."""
        for moment in moments:
            self._producer.produce(
                self.settings.kafka_topic, b"x", partition=0, timestamp=int(moment.timestamp() * 1000)
            )
        assert self._producer.flush(10) == 0

    def land(self, offset: int, moment: datetime, location: str = "l", event_id: str = "") -> None:
        """The row of a record."""
        execute(
            self.postgres,
            "INSERT INTO events (event_id, user_name, location, kafka_partition, kafka_offset, produced_at) "
            "VALUES (%s, 'u', %s, 0, %s, %s) ON CONFLICT (event_id) DO UPDATE SET "
            "kafka_offset = excluded.kafka_offset, produced_at = excluded.produced_at",
            (event_id or f"e{offset}", location, offset, moment),
        )

    def audit(self, begin: int, end: int, lost: str = "{}", count: int = 0) -> None:
        """A range in the ledger, all of it landed but `lost`."""
        execute(
            self.postgres,
            "INSERT INTO ledger (topic, kafka_partition, from_offset, to_offset, landed, superseded, dead, gone, lost, "
            "superseded_offsets, dead_offsets, gone_offsets, lost_offsets) "
            "VALUES (%s, 0, %s, %s, %s, 0, 0, 0, %s, '{}', '{}', '{}', %s)",
            (self.settings.kafka_topic, begin, end, end - begin - count, count, lost),
        )

    def tick(self, now: datetime = NOW) -> list[tuple[str, int, int, int]]:
        """One tick of the sensor: hour, rows, dead letters and revision of each report."""
        self.book = Book.from_cursor(self.book.to_cursor())
        self.book, found = completeness.take(self.settings, self.kafka, self.postgres, self.book, now)
        return [self._told(item) for item in found]

    @staticmethod
    def _told(item: Completed) -> tuple[str, int, int, int]:
        return item.hour, item.counts.landed, item.counts.dead, item.revision


def await_leaders(kafka: KafkaResource, topic: str) -> None:
    """A partition gets its leader a moment after its topic is created."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with suppress(TransientError):
            kafka.offsets(topic)
            return
        time.sleep(0.1)


@pytest.fixture
def pipeline(settings: Settings, kafka: KafkaResource, migrated: PostgresResource, topic_name: str) -> Pipeline:
    """A pipeline of the test's own."""
    kafka.ensure_topic(TopicSpec(topic_name, 2, 1, 7 * 24 * 3_600_000))
    await_leaders(kafka, topic_name)
    return Pipeline(settings.model_copy(update={"kafka_topic": topic_name, "hourly_revise_s": 0}), kafka, migrated)


def test_an_empty_topic_has_no_hours(pipeline: Pipeline) -> None:
    assert pipeline.tick() == []
    assert pipeline.book == Book()


def test_hours_are_complete_when_the_ledger_has_passed_their_goal(pipeline: Pipeline) -> None:
    pipeline.produce(H1, H1, H3)
    assert pipeline.tick() == []
    assert pipeline.book.goals == {key(hour): {0: 3} for hour in (H1, H2, H3)}
    pipeline.land(0, H1)
    pipeline.land(1, H1)
    pipeline.audit(0, 2)
    assert pipeline.tick() == []
    pipeline.land(2, H3)
    pipeline.audit(2, 3)
    assert pipeline.tick() == [(key(H1), 2, 0, 0), (key(H2), 0, 0, 0), (key(H3), 1, 0, 0)]
    assert pipeline.tick() == []
    # What came after the goal of the last hour was noted is the next hour's affair.
    pipeline.produce(NOW)
    assert pipeline.tick() == []
    assert pipeline.tick(NOW + timedelta(hours=1)) == []
    pipeline.audit(3, 4)
    assert pipeline.tick(NOW + timedelta(hours=1)) == [(key(NOW), 0, 0, 0)]


def test_late_and_superseding_events_reopen_hours(pipeline: Pipeline) -> None:
    pipeline.produce(H1, H3)
    pipeline.land(0, H1, event_id="a")
    pipeline.land(1, H3)
    pipeline.audit(0, 2)
    assert len(pipeline.tick()) == 3
    pipeline.land(2, H1, event_id="late")
    assert pipeline.tick() == [(key(H1), 2, 0, 1)]
    pipeline.land(3, H3, event_id="a")
    assert pipeline.tick() == [(key(H1), 1, 0, 2), (key(H3), 2, 0, 1)]
    # As many rows, but others.
    pipeline.land(4, H3, event_id="late")
    pipeline.land(5, H1, event_id="new")
    assert pipeline.tick() == [(key(H1), 1, 0, 3), (key(H3), 3, 0, 2)]
    execute(
        pipeline.postgres,
        "INSERT INTO dead_letters (topic, kafka_partition, kafka_offset, reason, detail, produced_at) "
        "VALUES (%s, 0, 6, 'blank', 'd', %s)",
        (pipeline.settings.kafka_topic, H2),
    )
    assert pipeline.tick() == [(key(H2), 0, 1, 1)]


def test_an_hour_with_a_lost_offset_waits_until_it_is_found(pipeline: Pipeline) -> None:
    pipeline.produce(H1, H2, H3)
    pipeline.land(0, H1)
    pipeline.land(2, H3)
    pipeline.audit(0, 3, lost="{[1,2)}", count=1)
    assert [hour for hour, *_ in pipeline.tick()] == [key(H1), key(H3)]
    assert pipeline.tick() == []
    pipeline.land(1, H2)
    execute(pipeline.postgres, "UPDATE ledger SET lost = 0, landed = 3, lost_offsets = '{}'")
    assert pipeline.tick() == [(key(H2), 1, 0, 0)]


def test_with_too_many_lost_offsets_no_hour_is_complete(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completeness, "DATED_LOST", 1)
    pipeline.produce(H1, H1, H2)
    pipeline.audit(0, 3, lost="{[0,2)}", count=2)
    assert pipeline.tick() == []
    assert len(pipeline.book.goals) == 3


def test_hours_before_the_start_are_left_out(pipeline: Pipeline) -> None:
    pipeline.settings = pipeline.settings.model_copy(update={"hourly_start": key(H3)})
    pipeline.produce(H1, H3)
    pipeline.audit(0, 2)
    assert [hour for hour, *_ in pipeline.tick()] == [key(H3)]


def test_the_first_tick_counts_what_is_there(pipeline: Pipeline) -> None:
    pipeline.produce(H3)
    pipeline.land(0, H3)
    pipeline.audit(0, 1)
    assert pipeline.tick() == [(key(H3), 1, 0, 0)]
    assert pipeline.book.reported[key(H3)].counts == Counts(1, 0, 0, "0")


def test_batches_replace_their_hours(pipeline: Pipeline) -> None:
    for offset, (moment, location) in enumerate([(H1, "Rome"), (H1, "Rome"), (H1, "Oslo"), (H2, "Rome"), (H3, "Rome")]):
        pipeline.land(offset, moment, location)
    begin = H1.replace(minute=0)
    for _ in range(2):
        assert completeness.replace_locations(pipeline.postgres, begin, begin + timedelta(hours=2)) == (3, 4)
    found = execute(pipeline.postgres, "SELECT hour, location, events FROM location_hourly ORDER BY hour, location")
    assert found == [(begin, "Oslo", 1), (begin, "Rome", 2), (H2.replace(minute=0), "Rome", 1)]
    execute(pipeline.postgres, "DELETE FROM events WHERE location = 'Oslo'")
    completeness.replace_locations(pipeline.postgres, begin, begin + timedelta(hours=1))
    found = execute(pipeline.postgres, "SELECT location, events FROM location_hourly ORDER BY hour, location")
    assert found == [("Rome", 2), ("Rome", 1)]
