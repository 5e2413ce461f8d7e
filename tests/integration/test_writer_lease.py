"""The writer lease: of all runs of a job only the newest holder's rows are taken, and a replay sets nothing back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

import psycopg2
import psycopg2.extensions
import pytest

from flink_jobs.builder import Definition
from orchestration.errors import ConfigurationError
from orchestration.lifecycle import record
from orchestration.lifecycle.record import Recovery, Version, take_lease
from orchestration.resources.postgres import PostgresResource

JOB = "stream"
VERSION = Version("f1", Definition({"a": "1"}, "source", "sink", "insert"), 4)
AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
UPSERT = (
    "INSERT INTO events (event_id, user_name, location, kafka_partition, kafka_offset, produced_at) "
    "VALUES (%s, %s, 'x', %s, %s, %s) ON CONFLICT (event_id) DO UPDATE SET user_name = excluded.user_name, "
    "kafka_partition = excluded.kafka_partition, kafka_offset = excluded.kafka_offset, "
    "produced_at = excluded.produced_at"
)
REFUSED = "PI3L1"


@contextmanager
def session(postgres: PostgresResource, name: str) -> Iterator[psycopg2.extensions.connection]:
    """A session of the writer's, as Flink's sink opens it."""
    with postgres.connect("writer") as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute("SET application_name = %s", (name,))
        yield connection


def land(postgres: PostgresResource, name: str, event_id: str, offset: int, user: str = "u") -> None:
    """One upsert into partition 0 by the session of this name."""
    with session(postgres, name) as connection, connection, connection.cursor() as cursor:
        cursor.execute(UPSERT, (event_id, user, 0, offset, AT.replace(minute=offset)))


def rows(postgres: PostgresResource) -> dict[str, tuple[str, int]]:
    """User and offset of each event."""
    with postgres.connect("reader") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT event_id, user_name, kafka_offset FROM events")
        return {event_id: (user, offset) for event_id, user, offset in cursor.fetchall()}


def take(postgres: PostgresResource, job_id: str, job: str = JOB) -> int:
    """The epoch under which the run writes from now on."""
    return take_lease(postgres, job, job_id, VERSION, None)


def test_without_any_lease_the_table_is_not_fenced(migrated: PostgresResource) -> None:
    land(migrated, "anybody", "a", 1)
    assert rows(migrated).keys() == {"a"}


def test_the_newest_holder_writes_and_the_one_before_is_refused(migrated: PostgresResource) -> None:
    assert [take(migrated, "1" * 32), take(migrated, "2" * 32)] == [1, 2]
    land(migrated, f"{JOB}#2", "a", 1)
    for stranger in (f"{JOB}#1", JOB, "psql", f"{JOB}#3", "other#2"):
        with pytest.raises(psycopg2.Error, match="holds no writer lease") as caught:
            land(migrated, stranger, "b", 2)
        assert caught.value.pgcode == REFUSED
    assert rows(migrated).keys() == {"a"}


def test_the_owner_may_mend_rows(migrated: PostgresResource) -> None:
    take(migrated, "1" * 32)
    with migrated.connect("owner") as connection, connection, connection.cursor() as cursor:
        cursor.execute(UPSERT, ("a", "u", 0, 1, AT))
    assert rows(migrated).keys() == {"a"}


def test_each_job_has_a_lease_of_its_own(migrated: PostgresResource) -> None:
    take(migrated, "1" * 32)
    take(migrated, "2" * 32, "replay.x")
    land(migrated, f"{JOB}#1", "a", 1)
    land(migrated, "replay.x#1", "b", 2)
    assert rows(migrated).keys() == {"a", "b"}


def test_a_lease_waits_for_the_batch_of_the_old_holder(migrated: PostgresResource) -> None:
    take(migrated, "1" * 32)
    with session(migrated, f"{JOB}#1") as old, old.cursor() as cursor:
        cursor.execute(UPSERT, ("a", "u", 0, 1, AT))
        epochs: list[int] = []
        taker = threading.Thread(target=lambda: epochs.append(take(migrated, "2" * 32)))
        taker.start()
        taker.join(0.5)
        assert epochs == []
        old.commit()
        taker.join(10)
        assert epochs == [2]
        with pytest.raises(psycopg2.Error, match="holds no writer lease"):
            cursor.execute(UPSERT, ("b", "u", 0, 2, AT))
    assert rows(migrated).keys() == {"a"}


def test_a_holder_that_hangs_in_its_batch_is_shut_out(
    migrated: PostgresResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "PATIENCE_S", 0.5)
    take(migrated, "1" * 32)
    with session(migrated, f"{JOB}#1") as hung, hung.cursor() as cursor:
        cursor.execute(UPSERT, ("a", "u", 0, 1, AT))
        assert take(migrated, "2" * 32) == 2
        with pytest.raises(psycopg2.OperationalError):
            hung.commit()
    assert rows(migrated) == {}


@pytest.mark.parametrize(
    ("partition", "offset", "winner"),
    [(0, 4, "live"), (0, 5, "again"), (0, 6, "again"), (1, 4, "live"), (1, 6, "again")],
)
def test_a_replay_sets_no_row_back(migrated: PostgresResource, partition: int, offset: int, winner: str) -> None:
    take(migrated, "1" * 32)
    take(migrated, "2" * 32, "replay.x")
    land(migrated, f"{JOB}#1", "a", 5, "live")
    with session(migrated, "replay.x#1") as connection, connection, connection.cursor() as cursor:
        cursor.execute(UPSERT, ("a", "again", partition, offset, AT.replace(minute=offset)))
    assert rows(migrated)["a"][0] == winner


def test_the_stream_itself_may_go_back_and_read_again(migrated: PostgresResource) -> None:
    take(migrated, "1" * 32)
    land(migrated, f"{JOB}#1", "a", 5, "first")
    land(migrated, f"{JOB}#1", "a", 4, "restored")
    assert rows(migrated)["a"] == ("restored", 4)


def test_a_replay_brings_back_what_is_missing(migrated: PostgresResource) -> None:
    take(migrated, "2" * 32, "replay.x")
    land(migrated, "replay.x#1", "a", 5)
    assert rows(migrated)["a"] == ("u", 5)


@pytest.mark.parametrize("role", ["writer", "reader", "auditor"])
def test_only_the_owner_hands_over_leases(migrated: PostgresResource, role: str) -> None:
    take(migrated, "1" * 32)
    with (
        pytest.raises(ConfigurationError, match="permission denied"),
        migrated.connect(role) as connection,  # type: ignore[arg-type]
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE streaming_jobs SET epoch = 7")


def test_what_is_wanted_and_what_ran_is_kept(migrated: PostgresResource) -> None:
    assert record.read(migrated, JOB) is None
    record.want(migrated, JOB, "running")
    take_lease(migrated, JOB, "1" * 32, VERSION, "file:///sp")
    record.set_parallelism(migrated, JOB, 2)
    record.set_reset(migrated, JOB, AT, {0: 5, 1: 7})
    record.set_recovery(migrated, JOB, Recovery(3, AT, None, "why"))
    found = record.read(migrated, JOB)
    assert found is not None
    assert (found.desired, found.epoch, found.job_id, found.fingerprint) == ("running", 1, "1" * 32, "f1")
    assert (found.restored_from, found.parallelism, found.reset_at) == ("file:///sp", 2, AT)
    assert found.reset_offsets == {0: 5, 1: 7}
    assert found.recovery == Recovery(3, AT, None, "why")
    assert record.version(migrated, JOB, "f1") == VERSION
    record.verified(migrated, JOB, "f1")
    kept = record.version(migrated, JOB, "f1")
    assert kept is not None
    assert kept.verified
    assert record.version(migrated, JOB, "other") is None
