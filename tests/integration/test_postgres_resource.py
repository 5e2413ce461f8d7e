"""Migrations, roles and queries on the real server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import psycopg2
import psycopg2.errors
import pytest
from pydantic import SecretStr

from orchestration.errors import ConfigurationError, TransientError
from orchestration.resources.postgres import Login, PostgresResource, Progress
from orchestration.resources.schema import Migration, apply_migrations, read_migrations
from orchestration.resources.topics import OffsetRange

UPSERT = """
    INSERT INTO events (event_id, user_name, location, kafka_partition, kafka_offset, produced_at)
    VALUES (%s, 'Ana', 'Lisbon', %s, %s, clock_timestamp() - interval '250 ms')
    ON CONFLICT (event_id) DO UPDATE SET
        user_name = EXCLUDED.user_name, location = EXCLUDED.location, kafka_partition = EXCLUDED.kafka_partition,
        kafka_offset = EXCLUDED.kafka_offset, produced_at = EXCLUDED.produced_at
"""


def execute(postgres: PostgresResource, statement: str, role: str = "owner") -> None:
    with postgres.connect(role) as connection, connection, connection.cursor() as cursor:  # type: ignore[arg-type]
        cursor.execute(statement)


def land(postgres: PostgresResource, rows: Iterable[tuple[str, int, int]]) -> None:
    """Upsert (event_id, partition, offset) as the Flink job does, by the writer's role."""
    with postgres.connect("writer") as connection, connection, connection.cursor() as cursor:
        cursor.executemany(UPSERT, list(rows))


def test_migrations_apply_once_and_give_the_expected_table(empty_schema: PostgresResource) -> None:
    versions = tuple(migration.version for migration in read_migrations())
    first, second = empty_schema.migrate(), empty_schema.migrate()
    assert (first.applied, first.current_version) == (versions, versions[-1])
    assert (second.applied, second.current_version) == ((), versions[-1])
    assert empty_schema.verify_events_table() == ()


def test_two_runs_at_once_apply_each_migration_once(empty_schema: PostgresResource) -> None:
    reports = []
    threads = [threading.Thread(target=lambda: reports.append(empty_schema.migrate())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(report.applied) for report in reports) == [0, 0, 0, len(read_migrations())]


def test_a_failing_migration_leaves_nothing_behind(empty_schema: PostgresResource) -> None:
    broken = [*read_migrations(), Migration(9999, "broken", "CREATE TABLE half (id INT); SELECT 1 / 0;")]
    roles = {role: getattr(empty_schema, role).name for role in ("writer", "reader", "auditor")}
    with empty_schema.connect("owner") as connection, pytest.raises(psycopg2.errors.DivisionByZero):
        apply_migrations(connection, empty_schema.schema, roles, broken)
    with pytest.raises(ConfigurationError, match="half"):
        execute(empty_schema, "SELECT FROM half")
    assert empty_schema.migrate().applied == ()


def test_a_foreign_table_is_refused_and_left_alone(empty_schema: PostgresResource) -> None:
    execute(empty_schema, "CREATE TABLE events (id SERIAL PRIMARY KEY, event_id TEXT)")
    with pytest.raises(ConfigurationError, match=r"rename that table.*PI3_POSTGRES_DATABASE") as caught:
        empty_schema.migrate()
    assert "column event_id is text, expected character varying(50) NOT NULL" in str(caught.value)
    assert "\n" not in str(caught.value)
    execute(empty_schema, "SELECT id, event_id FROM events")


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("ALTER TABLE events ALTER user_name TYPE TEXT", "column user_name is text NOT NULL, expected"),
        ("ALTER TABLE events DROP COLUMN kafka_offset", "column kafka_offset is missing"),
        ("ALTER TABLE events ADD COLUMN amount INT NOT NULL", "column amount is unknown"),
        ("ALTER TABLE events DROP CONSTRAINT events_event_id_key", "no valid unique index on event_id"),
        (
            "ALTER TABLE events DROP CONSTRAINT events_event_id_key; CREATE INDEX ON events (event_id)",
            "no valid unique index on event_id",
        ),
        (
            "ALTER TABLE events DROP CONSTRAINT events_event_id_key; CREATE UNIQUE INDEX ON events (event_id, id)",
            "no valid unique index on event_id",
        ),
    ],
)
def test_a_changed_table_is_named(migrated: PostgresResource, statement: str, line: str) -> None:
    execute(migrated, statement)
    (found,) = migrated.verify_events_table()
    assert line in found
    with pytest.raises(ConfigurationError, match="not as the pipeline needs it"):
        migrated.migrate()


def test_the_writer_may_upsert_and_no_more(migrated: PostgresResource) -> None:
    land(migrated, [("a", 0, 0), ("a", 0, 1), ("b", 0, 2)])
    assert migrated.total_rows() == 2
    for forbidden in ("DELETE FROM events", "TRUNCATE events", "DROP TABLE events", "SELECT FROM schema_migrations"):
        with pytest.raises(ConfigurationError, match=r"permission denied|must be owner"):
            execute(migrated, forbidden, "writer")


def test_the_reader_reads_only(migrated: PostgresResource) -> None:
    execute(migrated, "SELECT FROM events", "reader")
    for forbidden in ("DELETE FROM events", "UPDATE events SET location = 'x'", "CREATE TABLE mine (id INT)"):
        with pytest.raises(ConfigurationError, match="permission denied"):
            execute(migrated, forbidden, "reader")


def test_rows_are_counted_per_partition_and_within_offsets(migrated: PostgresResource) -> None:
    land(migrated, [(f"e{partition}-{offset}", partition, offset) for partition in (0, 1) for offset in range(10)])
    assert migrated.landed_rows() == {0: 10, 1: 10}
    within = {0: OffsetRange(4, 10), 1: OffsetRange(0, 3), 2: OffsetRange(0, 5)}
    assert migrated.landed_rows(within) == {0: 6, 1: 3, 2: 0}


def test_progress_counts_a_row_that_becomes_visible_late(migrated: PostgresResource) -> None:
    with migrated.connect("writer") as slow, slow.cursor() as cursor:
        cursor.execute(UPSERT, ("slow", 0, 0))
        land(migrated, [("fast", 0, 1)])
        first = migrated.progress()
        slow.commit()
    second = migrated.progress(first)
    third = migrated.progress(second)
    assert [beat.total_rows for beat in (first, second, third)] == [1, 2, 2]
    assert third.settled_rows == 2
    assert third.newest_landed_at is not None


def test_progress_counts_upserts_of_the_same_id_once(migrated: PostgresResource) -> None:
    last = Progress()
    for _ in range(3):
        land(migrated, [("a", 0, 0), ("b", 0, 1)])
        last = migrated.progress(last)
        assert last.total_rows == 2


def test_progress_starts_again_when_the_table_is_new(migrated: PostgresResource) -> None:
    land(migrated, [("a", 0, 0), ("b", 0, 1)])
    last = migrated.progress(migrated.progress())
    execute(migrated, "TRUNCATE events RESTART IDENTITY")
    land(migrated, [("c", 0, 2)])
    assert migrated.progress(last).total_rows == 1


def test_latency_is_measured_over_recent_rows(migrated: PostgresResource) -> None:
    empty = migrated.latency(60)
    assert (empty.rows, empty.p50_ms, empty.p99_ms) == (0, None, None)
    land(migrated, [(f"e{offset}", 0, offset) for offset in range(100)])
    found = migrated.latency(60)
    assert found.rows == 100
    assert found.p50_ms is not None
    assert found.p99_ms is not None
    assert 249 <= found.p50_ms <= found.p99_ms < 2_000
    assert migrated.latency(60, newest_ids=10).rows == 10


def test_duplicates_are_found_when_the_unique_index_is_gone(migrated: PostgresResource) -> None:
    land(migrated, [("a", 0, 0), ("b", 0, 1)])
    assert migrated.duplicates() == {}
    execute(migrated, "ALTER TABLE events DROP CONSTRAINT events_event_id_key")
    execute(
        migrated, "INSERT INTO events (event_id, user_name, location) SELECT 'a', 'u', 'l' FROM generate_series(1, 2)"
    )
    assert migrated.duplicates() == {"a": 3}


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"port": 1}, TransientError, "out of reach.*PI3_POSTGRES_PORT"),
        ({"database": "no_such_database"}, ConfigurationError, "PI3_POSTGRES_DATABASE"),
        ({"reader": Login("no_such_role", SecretStr("x"))}, ConfigurationError, "password"),
        ({"statement_timeout_s": 1}, TransientError, "more than 1 s"),
    ],
)
def test_each_fault_gives_one_clear_line(
    postgres: PostgresResource, change: dict[str, object], error: type[Exception], words: str
) -> None:
    faulty = replace(postgres, **change)  # type: ignore[arg-type]
    with pytest.raises(error, match=f"(?s){words}"):
        execute(faulty, "SELECT pg_sleep(3)", "reader")


def test_a_missing_table_says_what_to_materialise(empty_schema: PostgresResource) -> None:
    with pytest.raises(ConfigurationError, match="events_table"):
        empty_schema.total_rows()


def test_a_wrong_password_is_refused_and_shown_nowhere(
    migrated: PostgresResource, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = replace(migrated, reader=Login(migrated.reader.name, SecretStr("hunter2-hunter2")))
    with pytest.raises(ConfigurationError, match="password authentication failed") as caught:
        wrong.total_rows()
    assert "hunter2" not in f"{caught.value}{wrong!r}{caplog.text}"

    @dg.op
    def count(postgres: PostgresResource) -> int:
        return postgres.total_rows()

    @dg.job(resource_defs={"postgres": dg.ResourceDefinition.hardcoded_resource(migrated)})
    def counting() -> None:
        count()

    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        result = counting.execute_in_process(instance=instance)
        events = repr(instance.all_logs(result.run_id))
    assert result.output_for_node("count") == 0
    assert migrated.reader.password.get_secret_value() not in f"{events}{caplog.text}"
