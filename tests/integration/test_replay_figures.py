"""What a replay measures, and what its writes leave alone: on a real Postgres."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from orchestration.lifecycle import record
from orchestration.lifecycle.record import Version, take_lease
from orchestration.lifecycle.replay_figures import FigureStore, rows_elsewhere
from orchestration.resources.postgres import PostgresResource
from orchestration.resources.topics import OffsetRange
from tests.integration.test_writer_lease import VERSION, land

NAME = "replay.0123456789ab"
RANGES = {0: OffsetRange(10, 20)}


@pytest.fixture
def figures(migrated: PostgresResource) -> FigureStore:
    """A table with rows at the offsets 0 to 29, of which the range has ten."""
    land_all(migrated, "nobody")
    take_lease(migrated, NAME, "1" * 32, VERSION, None)
    return FigureStore(migrated, NAME, "topic")


def land_all(postgres: PostgresResource, name: str) -> None:
    for offset in range(30):
        land(postgres, name, f"e{offset}", offset)


def execute(postgres: PostgresResource, statement: str) -> None:
    with postgres.connect("owner") as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)


def versions(postgres: PostgresResource) -> dict[str, str]:
    """Where each row lies, which changes with each version of it."""
    with postgres.connect("reader") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT event_id, ctid::TEXT FROM events")
        return dict(cursor.fetchall())


def test_a_replay_of_what_is_there_changes_nothing_and_writes_nothing(figures: FigureStore) -> None:
    before, lying = figures.begin(RANGES), versions(figures.postgres)
    land_all(figures.postgres, f"{NAME}#1")
    effect = figures.end(before)
    assert before.before.rows == 10
    assert (effect.after, effect.added, effect.changed) == (before.before, 0, 0)
    assert versions(figures.postgres) == lying


def test_rows_added_and_rows_changed_are_told_apart(figures: FigureStore) -> None:
    whole = figures.begin(RANGES).before
    execute(figures.postgres, "DELETE FROM replays")
    execute(figures.postgres, "DELETE FROM events WHERE kafka_offset IN (10, 11, 12, 25)")
    execute(figures.postgres, "UPDATE events SET user_name = 'damaged' WHERE kafka_offset IN (13, 19)")
    begun = figures.begin(RANGES)
    land_all(figures.postgres, f"{NAME}#1")
    effect = figures.end(begun)
    assert (begun.before.rows, effect.added, effect.changed) == (7, 3, 2)
    assert begun.before.checksum != whole.checksum
    assert effect.after == whole


def test_a_newer_row_is_left_alone_and_is_no_part_of_the_range(figures: FigureStore) -> None:
    land(figures.postgres, f"{NAME}#1", "e12", 50, user="newer")
    begun = figures.begin(RANGES)
    land_all(figures.postgres, f"{NAME}#1")
    assert figures.end(begun).after == begun.before
    with figures.postgres.connect("reader") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT user_name, kafka_offset FROM events WHERE event_id = 'e12'")
        assert cursor.fetchall() == [("newer", 50)]


@pytest.mark.parametrize("field", ["event_id", "user_name", "location", "kafka_offset", "produced_at"])
def test_the_checksum_sees_each_field(figures: FigureStore, field: str) -> None:
    values = {"kafka_offset": "9 + kafka_offset", "produced_at": "produced_at + interval '1 ms'"}
    begun = figures.begin(RANGES)
    execute(figures.postgres, f"UPDATE events SET {field} = {values.get(field, repr('y'))} WHERE kafka_offset = 10")
    effect = figures.end(begun)
    assert effect.after.rows == begun.before.rows
    assert effect.after.checksum != begun.before.checksum


def test_the_checksum_does_not_depend_on_the_order_of_rows(figures: FigureStore) -> None:
    begun = figures.begin(RANGES)
    columns = "event_id, user_name, location, kafka_partition, kafka_offset, produced_at"
    execute(figures.postgres, "CREATE TEMP TABLE kept AS SELECT * FROM events; DELETE FROM events; "
            f"INSERT INTO events ({columns}) SELECT {columns} FROM kept ORDER BY kafka_offset DESC")  # fmt: skip
    assert figures.end(begun).after == begun.before


def test_a_run_that_died_leaves_its_figures_to_the_next(figures: FigureStore) -> None:
    begun = figures.begin(RANGES)
    execute(figures.postgres, "DELETE FROM events")
    assert figures.begin(RANGES) == begun
    figures.end(begun)
    assert figures.begin(RANGES).before.rows == 0, "that one is a new replay"


def test_with_its_end_the_replay_loses_its_lease_and_keeps_its_history(figures: FigureStore) -> None:
    figures.end(figures.begin(RANGES))
    assert record.read(figures.postgres, NAME) is None
    kept = record.version(figures.postgres, NAME, VERSION.fingerprint)
    assert isinstance(kept, Version)
    with figures.postgres.connect("reader") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ranges, ended_at > began_at, rows_before = rows_after, lost_after FROM replays")
        assert cursor.fetchall() == [({"0": [10, 20]}, True, True, 0)]


def test_lost_offsets_are_counted_within_the_range_alone(figures: FigureStore) -> None:
    execute(
        figures.postgres,
        "INSERT INTO ledger (topic, kafka_partition, from_offset, to_offset, landed, superseded, dead, gone, lost,"
        " superseded_offsets, dead_offsets, gone_offsets, lost_offsets)"
        " VALUES ('topic', 0, 0, 30, 22, 0, 0, 0, 8, '{}', '{}', '{}', '{[8,12),[18,22)}'),"
        " ('topic', 1, 0, 30, 0, 0, 0, 0, 30, '{}', '{}', '{}', '{[0,30)}'),"
        " ('other', 0, 0, 30, 0, 0, 0, 0, 30, '{}', '{}', '{}', '{[0,30)}')",
    )
    assert figures.lost(RANGES) == figures.begin(RANGES).before.lost == 4


def test_rows_of_the_hours_that_lie_elsewhere_are_counted(figures: FigureStore) -> None:
    """`land` stamps each row with the minute of its offset."""
    noon = datetime(2026, 3, 1, tzinfo=timezone.utc)
    log = {0: OffsetRange(5, 30)}
    found = rows_elsewhere(figures.postgres, RANGES, log, (noon, noon + timedelta(minutes=25)))
    assert (found.rows_gone_from_kafka, found.rows_among_other_hours) == (5, 10)
