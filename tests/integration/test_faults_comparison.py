"""The comparison of journals with the table: each act of sabotage is found, and nothing else."""

from __future__ import annotations

import pytest

from orchestration.resources.postgres import PostgresResource
from producer.journal import digest
from tests.faults.comparison import Comparison, compare
from tests.faults.journal import Journal, Sent

TOPIC = "t"


def event(number: int, offset: int | None, name: str = "Ana", *, required: bool = True) -> Sent:
    event_id = f"p_{number}"
    partition = None if offset is None else 0
    return Sent(event_id, digest(event_id, name, "Lisboa"), partition, offset, required and offset is not None)


SENT = [
    event(1, 10),
    event(2, 11, "old"),
    event(2, 12, "new"),
    event(3, None),
    event(4, 14, required=False),
    event(5, None),
    event(6, 16, "known"),
    event(6, None, "unanswered"),
]
LANDED = [(1, 10, "Ana"), (2, 12, "new"), (4, 14, "Ana"), (5, 15, "Ana"), (6, 17, "unanswered")]


def land(postgres: PostgresResource, *rows: tuple[int, int, str], prefix: str = "p_") -> None:
    with postgres.connect("owner") as connection, connection, connection.cursor() as cursor:
        for number, offset, name in rows:
            cursor.execute(
                "INSERT INTO events (event_id, user_name, location, kafka_partition, kafka_offset, produced_at)"
                " VALUES (%s, %s, 'Lisboa', 0, %s, now())",
                (f"{prefix}{number}", name, offset),
            )


def sabotage(postgres: PostgresResource, statement: str) -> None:
    with postgres.connect("owner") as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)


def found(postgres: PostgresResource, since_id: int = 0) -> Comparison:
    return compare(postgres, TOPIC, [Journal("p_", SENT)], since_id)


def test_what_landed_as_it_was_sent_is_clean(migrated: PostgresResource) -> None:
    land(migrated, *LANDED)
    land(migrated, (1, 10, "of another producer"), prefix="q_")
    assert found(migrated) == Comparison(acknowledged=4)


@pytest.mark.parametrize(
    ("statement", "kind", "example"),
    [
        ("DELETE FROM events WHERE event_id = 'p_1'", "lost", "p_1"),
        ("UPDATE events SET user_name = 'Eve' WHERE event_id = 'p_1'", "wrong", "p_1"),
        ("UPDATE events SET location = 'Porto' WHERE event_id = 'p_4'", "wrong", "p_4"),
        ("UPDATE events SET user_name = 'old', kafka_offset = 11 WHERE event_id = 'p_2'", "wrong", "p_2"),
        ("UPDATE events SET user_name = 'old' WHERE event_id = 'p_2'", "wrong", "p_2"),
        ("UPDATE events SET kafka_offset = 99 WHERE event_id = 'p_1'", "wrong", "p_1"),
        ("UPDATE events SET kafka_offset = 13 WHERE event_id = 'p_6'", "wrong", "p_6"),
        ("UPDATE events SET event_id = 'p_9' WHERE event_id = 'p_5'", "phantom", "p_9"),
        ("UPDATE events SET kafka_offset = 10 WHERE event_id = 'p_5'", "doubled", "p_1"),
        (
            "ALTER TABLE events DROP CONSTRAINT events_event_id_key;"
            "INSERT INTO events (event_id, user_name, location, kafka_partition, kafka_offset)"
            " SELECT event_id, user_name, location, 1, kafka_offset FROM events WHERE event_id = 'p_5'",
            "doubled",
            "p_5",
        ),
    ],
)
def test_each_sabotage_is_found(migrated: PostgresResource, statement: str, kind: str, example: str) -> None:
    land(migrated, *LANDED)
    sabotage(migrated, statement)
    told = found(migrated)
    assert {name: getattr(told, name) for name in ("lost", "wrong", "doubled", "phantom")} == {
        name: int(name == kind) for name in ("lost", "wrong", "doubled", "phantom")
    }
    assert told.examples == {kind: [example]}


def test_what_the_ledger_calls_gone_is_not_lost(migrated: PostgresResource) -> None:
    land(migrated, *LANDED)
    sabotage(migrated, "DELETE FROM events WHERE event_id IN ('p_1', 'p_2')")
    sabotage(
        migrated,
        "INSERT INTO ledger (topic, kafka_partition, from_offset, to_offset, landed, superseded, dead, gone, lost,"
        " superseded_offsets, dead_offsets, gone_offsets, lost_offsets)"
        " VALUES ('t', 0, 10, 13, 2, 0, 0, 1, 0, '{}', '{}', '{[10,11)}', '{}')",
    )
    told = found(migrated)
    assert (told.gone, told.lost) == (1, 1)


def test_rows_of_before_are_not_looked_at(migrated: PostgresResource) -> None:
    land(migrated, (77, 3, "of long ago"))
    land(migrated, *LANDED)
    assert found(migrated).phantom == 1
    assert found(migrated, since_id=1) == Comparison(acknowledged=4)
