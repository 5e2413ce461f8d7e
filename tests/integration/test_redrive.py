"""Redrives on the real broker and the real database: once each, whatever is interrupted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg2
import pytest
from confluent_kafka import Consumer, TopicPartition

from orchestration.ledger import republish
from orchestration.ledger.redrive import Left, Selection
from orchestration.ledger.republish import Orders, RedriveReport
from orchestration.resources.kafka import KafkaResource, TopicSpec
from orchestration.resources.postgres import PostgresResource

AT = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
BY_REASON = Selection(reasons=("blank",))


def repair(value: bytes, key: bytes | None) -> bytes | None:
    del key
    return json.dumps(json.loads(value) | {"user_name": "unknown"}).encode()


ORDERS = Orders(BY_REASON, repair, "run-1", limit=1_000)


def event(name: str, user_name: str = " ") -> bytes:
    return json.dumps({"event_id": name, "user_name": user_name, "location": "l"}).encode()


@pytest.fixture
def topic(kafka: KafkaResource, topic_name: str) -> str:
    """A topic of four partitions."""
    kafka.ensure_topic(TopicSpec(topic_name, 4, 1, 3_600_000))
    return topic_name


def execute(postgres: PostgresResource, text: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with postgres.connect("owner") as connection, connection, connection.cursor() as cursor:
        cursor.execute(text, parameters)
        return list(cursor.fetchall()) if cursor.description else []


def write_letter(
    postgres: PostgresResource,
    topic: str,
    offset: int,
    value: bytes | None,
    *,
    reason: str = "blank",
    partition: int = 0,
) -> None:
    execute(
        postgres,
        "INSERT INTO dead_letters (topic, kafka_partition, kafka_offset, reason, detail, key, value, headers, "
        "produced_at) VALUES (%s, %s, %s, %s, 'd', %s, %s, %s, %s)",
        (topic, partition, offset, reason, psycopg2.Binary(b"k\x00"), value, '[["trace", "YWJj"], ["none", null]]', AT),
    )


def records(
    kafka: KafkaResource, topic: str
) -> list[tuple[tuple[int, int], bytes | None, bytes | None, dict[str, Any]]]:
    """Every record of the topic: place, key, value, headers."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": "test", "enable.auto.commit": False})
    found = []
    try:
        for partition, span in kafka.offsets(topic).items():
            consumer.assign([TopicPartition(topic, partition, span.begin)])
            for _ in range(span.begin, span.end):
                message = consumer.poll(10)
                assert message is not None
                assert message.error() is None
                place = (partition, message.offset() or 0)
                found.append((place, message.key(), message.value(), dict(message.headers() or [])))
    finally:
        consumer.close()
    return found


def redrive(postgres: PostgresResource, kafka: KafkaResource, topic: str, orders: Orders = ORDERS) -> RedriveReport:
    return republish.redrive(postgres, kafka.brokers, topic, orders)


def states(postgres: PostgresResource) -> dict[int, tuple[str, int]]:
    return {
        offset: (state, n)
        for offset, state, n in execute(postgres, "SELECT kafka_offset, state, attempts FROM redrives")
    }


def test_a_letter_is_repaired_and_published_with_a_link(
    migrated: PostgresResource, kafka: KafkaResource, topic: str
) -> None:
    write_letter(migrated, topic, 17, event("e1"))
    report = redrive(migrated, kafka, topic)
    ((place, key, value, headers),) = records(kafka, topic)
    assert report.published == {(0, 17): place}
    assert (key, value) == (b"e1", repair(event("e1"), None))
    assert headers == {
        "trace": b"abc",
        "none": None,
        "pi3.redrive.topic": topic.encode(),
        "pi3.redrive.partition": b"0",
        "pi3.redrive.offset": b"17",
        "pi3.redrive.reason": b"blank",
    }
    letters = execute(
        migrated, "SELECT redrive_count, redriven_partition, redriven_offset, redriven_at IS NOT NULL FROM dead_letters"
    )
    assert letters == [(1, *place, True)]
    assert states(migrated) == {17: ("published", 1)}


def test_the_same_letter_is_sent_once(migrated: PostgresResource, kafka: KafkaResource, topic: str) -> None:
    write_letter(migrated, topic, 17, event("e1"))
    redrive(migrated, kafka, topic)
    # A letter that was deleted, and that the ledger restored, has lost its own marks.
    execute(migrated, "UPDATE dead_letters SET redriven_at = NULL, redrive_count = 0, redriven_offset = NULL")
    assert redrive(migrated, kafka, topic).selected == 0
    assert len(records(kafka, topic)) == 1
    again = replace(ORDERS, selection=replace(BY_REASON, again=True))
    assert len(redrive(migrated, kafka, topic, again).published) == 1
    assert states(migrated) == {17: ("published", 2)}


def test_two_redrives_at_once_send_each_letter_once(
    migrated: PostgresResource, kafka: KafkaResource, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(republish, "BATCH", 50)
    for offset in range(240):
        write_letter(migrated, topic, offset, event(f"e{offset}"), partition=offset % 4)
    with ThreadPoolExecutor(3) as pool:
        runs = [replace(ORDERS, run=f"run-{number}", limit=5_000) for number in range(3)]
        reports = list(pool.map(lambda orders: redrive(migrated, kafka, topic, orders), runs))
    assert sum(len(report.published) for report in reports) == 240
    assert sorted(key or b"" for _, key, _, _ in records(kafka, topic)) == sorted(f"e{n}".encode() for n in range(240))
    assert set(states(migrated).values()) == {("published", 1)}


def test_a_crash_before_the_confirmation_shows_and_is_not_sent_again(
    migrated: PostgresResource, kafka: KafkaResource, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_letter(migrated, topic, 17, event("e1"))

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(republish, "confirm", crash)
        with pytest.raises(KeyboardInterrupt):
            redrive(migrated, kafka, topic)
    assert states(migrated) == {17: ("claimed", 1)}
    assert redrive(migrated, kafka, topic).selected == 0
    assert len(records(kafka, topic)) == 1
    asked = replace(ORDERS, selection=replace(BY_REASON, unconfirmed=True))
    assert len(redrive(migrated, kafka, topic, asked).published) == 1
    assert states(migrated) == {17: ("published", 2)}


def test_a_broker_that_does_not_answer_leaves_the_claim(
    migrated: PostgresResource, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(republish, "DELIVERY_TIMEOUT_S", 1)
    write_letter(migrated, topic, 17, event("e1"))
    gone = KafkaResource(bootstrap_servers="127.0.0.1:1")
    report = redrive(migrated, gone, topic)
    assert (report.published, report.left) == ({}, {Left.UNCONFIRMED: 1})
    assert states(migrated) == {17: ("claimed", 1)}


def test_what_the_client_refuses_is_free_again(migrated: PostgresResource, kafka: KafkaResource, topic: str) -> None:
    write_letter(migrated, topic, 17, event("e1"))

    def grow(value: bytes, key: bytes | None) -> bytes | None:
        return (repair(value, key) or b"") + b" " * 1_048_576

    huge = replace(ORDERS, fix=grow, even_if_invalid=True)
    report = redrive(migrated, kafka, topic, huge)
    assert report.left == {Left.REFUSED: 1}
    assert states(migrated) == {17: ("refused", 1)}
    assert len(redrive(migrated, kafka, topic).published) == 1
    assert states(migrated) == {17: ("published", 2)}


def test_a_dry_run_changes_nothing(migrated: PostgresResource, kafka: KafkaResource, topic: str) -> None:
    write_letter(migrated, topic, 17, event("e1"))
    write_letter(migrated, topic, 18, None)
    report = redrive(migrated, kafka, topic, replace(ORDERS, dry_run=True))
    assert (report.selected, report.sendable, report.published) == (2, 1, {})
    assert report.left == {Left.NO_VALUE: 1}
    assert records(kafka, topic) == []
    assert states(migrated) == {}


@pytest.mark.parametrize(("row_age_s", "overwrite_newer", "sent"), [(-1, False, 0), (-1, True, 1), (1, False, 1)])
def test_a_younger_row_is_not_set_back(
    *, migrated: PostgresResource, kafka: KafkaResource, topic: str, row_age_s: int, overwrite_newer: bool, sent: int
) -> None:
    execute(
        migrated,
        "INSERT INTO events (event_id, user_name, location, produced_at) VALUES ('e1', 'u', 'l', %s)",
        (AT - timedelta(seconds=row_age_s),),
    )
    write_letter(migrated, topic, 17, event("e1"))
    report = redrive(migrated, kafka, topic, replace(ORDERS, overwrite_newer=overwrite_newer))
    assert len(report.published) == len(records(kafka, topic)) == sent
    assert report.left[Left.NEWER_ROW] == 1 - sent


@pytest.mark.parametrize(
    ("selection", "chosen"),
    [
        (Selection(reasons=("too_long",)), {(1, 5)}),
        (Selection(reasons=("blank", "too_long")), {(0, 1), (0, 2), (0, 3), (1, 5)}),
        (Selection(partition=1), {(1, 5)}),
        (Selection(partition=0, from_offset=2), {(0, 2), (0, 3)}),
        (Selection(from_offset=1, to_offset=3), {(0, 1), (0, 2)}),
        (Selection(since=AT), {(0, 1), (0, 2), (0, 3), (1, 5)}),
        (Selection(until=AT), set()),
        (Selection(since=AT + timedelta(seconds=1)), set()),
    ],
)
def test_selections(
    *,
    migrated: PostgresResource,
    kafka: KafkaResource,
    topic: str,
    selection: Selection,
    chosen: set[tuple[int, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(republish, "BATCH", 2)
    for offset in (1, 2, 3):
        write_letter(migrated, topic, offset, event(f"e{offset}"))
    write_letter(migrated, topic, 5, event("e5"), reason="too_long", partition=1)
    write_letter(migrated, "another-topic", 1, event("e9"))
    assert set(redrive(migrated, kafka, topic, replace(ORDERS, selection=selection)).published) == chosen


def test_the_limit_holds(migrated: PostgresResource, kafka: KafkaResource, topic: str) -> None:
    for offset in range(5):
        write_letter(migrated, topic, offset, event(f"e{offset}"))
    assert set(redrive(migrated, kafka, topic, replace(ORDERS, limit=3)).published) == {(0, 0), (0, 1), (0, 2)}
    assert set(redrive(migrated, kafka, topic).published) == {(0, 3), (0, 4)}
