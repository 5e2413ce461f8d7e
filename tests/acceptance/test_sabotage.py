"""The tester tested: each act of sabotage turns the right check red, with the right offsets, and its repair green."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from infra.local.stack import Stack
from orchestration.cli.dagster_api import CheckVerdict, DagsterApi
from orchestration.defs.resources import resources
from orchestration.errors import ConfigurationError
from orchestration.settings import Settings
from tests.acceptance.pipeline import active, launch, settle, wait_until
from tests.fixtures.records import send


@dataclass(frozen=True)
class Table:
    """The database, by its owner: whoever sabotages has every right."""

    settings: Settings

    def run(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Execute one statement and commit; returns its rows if it has any."""
        postgres = resources(self.settings)["postgres"]
        with postgres.connect("owner") as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall()) if cursor.description else []


@pytest.fixture(scope="module")
def table(stack: Stack, settings: Settings) -> Table:
    """Direct access to the tables."""
    del stack
    return Table(settings)


@pytest.fixture(scope="module", autouse=True)
def _pipeline_runs(api: DagsterApi, settings: Settings) -> None:
    launch(api, "start_pipeline")
    settle(settings)
    assert red(api) == {}, "nothing may be red before the sabotage"


def red(api: DagsterApi) -> dict[str, CheckVerdict]:
    """Failed checks by name, after a pass of the ledger."""
    launch(api, "ledger_pass")
    verdicts = api.run("health_check", lambda *_: None).verdicts
    return {verdict.name: verdict for verdict in verdicts if not verdict.passed}


@contextmanager
def sabotaged(act: Callable[[], object], repair: Callable[[], object]) -> Iterator[None]:
    act()
    try:
        yield
    finally:
        repair()


def some_row(table: Table, columns: Sequence[str]) -> dict[str, Any]:
    """A row from the middle of the table, which no pass will touch by itself any more."""
    names = ", ".join(columns)
    rows = table.run(f"SELECT {names} FROM events WHERE event_id NOT LIKE 'neighbour%%' ORDER BY id OFFSET 500 LIMIT 1")
    return dict(zip(columns, rows[0], strict=True))


FIELDS = "event_id, user_name, location, kafka_partition, kafka_offset, produced_at"
COLUMNS = ("id", "event_id", "user_name", "location", "kafka_partition", "kafka_offset", "produced_at", "landed_at")


def test_a_deleted_row_is_lost(api: DagsterApi, table: Table) -> None:
    row = some_row(table, COLUMNS)
    marks = ", ".join(["%s"] * len(COLUMNS))
    with sabotaged(
        lambda: table.run("DELETE FROM events WHERE id = %s", row["id"]),
        lambda: table.run(f"INSERT INTO events ({', '.join(COLUMNS)}) VALUES ({marks})", *row.values()),
    ):
        found = red(api)
        assert set(found) == {"nothing_lost"}
        assert f"1 LOST: partition {row['kafka_partition']}: {row['kafka_offset']}" in found["nothing_lost"].description
    assert red(api) == {}


def test_a_duplicated_row_is_found(api: DagsterApi, table: Table) -> None:
    row = some_row(table, COLUMNS)

    def duplicate() -> None:
        table.run("ALTER TABLE events DROP CONSTRAINT events_event_id_key")
        table.run(
            f"INSERT INTO events ({FIELDS}) SELECT {FIELDS} FROM events WHERE id = %s",
            row["id"],
        )

    def repair() -> None:
        table.run("DELETE FROM events WHERE event_id = %s AND id <> %s", row["event_id"], row["id"])
        table.run("ALTER TABLE events ADD CONSTRAINT events_event_id_key UNIQUE (event_id)")

    with sabotaged(duplicate, repair):
        found = red(api)
        assert "no_duplicates" in found
        assert row["event_id"] in found["no_duplicates"].description
    assert red(api) == {}


FINDING = """
    SELECT kind, expected::text, found::text FROM deep_audit_findings
    WHERE audit_id = (SELECT max(id) FROM deep_audits) AND kafka_partition = %s AND kafka_offset = %s
"""


def test_a_changed_field_is_found_by_the_deep_audit(api: DagsterApi, table: Table) -> None:
    row = some_row(table, COLUMNS)
    place = (row["kafka_partition"], row["kafka_offset"])
    change = "UPDATE events SET user_name = %s WHERE id = %s"
    with sabotaged(
        lambda: table.run(change, "somebody else", row["id"]), lambda: table.run(change, row["user_name"], row["id"])
    ):
        launch(api, "deep_audit")
        verdicts = {verdict.name: verdict for verdict in api.run("health_check", lambda *_: None).verdicts}
        assert (verdicts["deep_audit_clean"].passed, verdicts["deep_audit_clean"].severity) == (False, "ERROR")
        ((_, expected, found),) = table.run(FINDING, *place)
        assert row["user_name"] in expected
        assert "somebody else" in found
    launch(api, "deep_audit")
    assert table.run(FINDING, *place) == []
    assert red(api) == {}


def test_a_deleted_dead_letter_is_noticed_and_restored(api: DagsterApi, table: Table) -> None:
    ((partition, offset, reason),) = table.run(
        "SELECT kafka_partition, kafka_offset, reason FROM dead_letters ORDER BY kafka_partition, kafka_offset LIMIT 1"
    )
    place = "kafka_partition = %s AND kafka_offset = %s"
    table.run(f"DELETE FROM dead_letters WHERE {place}", partition, offset)
    found = red(api)
    assert set(found) == {"letters_kept"}
    assert f"partition {partition}: {offset}" in found["letters_kept"].description
    assert table.run(f"SELECT reason FROM dead_letters WHERE {place}", partition, offset) == [(reason,)]
    table.run(f"UPDATE dead_letters SET restored_at = NULL WHERE {place}", partition, offset)
    assert red(api) == {}


def test_records_deleted_before_the_job_could_read_them_are_gone(api: DagsterApi, settings: Settings) -> None:
    """Last, for what is gone stays gone: the check stays red until somebody acknowledges it."""
    found = resources(settings)
    launch(api, "stop_pipeline")
    assert active(found["flink"].client, settings) == []
    committed = found["kafka"].committed(settings.kafka_consumer_group, settings.kafka_topic)
    send(settings, [b'{"event_id":"gone-%d","user_name":"a","location":"b"}' % number for number in range(200)])
    ends = {number: span.end for number, span in found["kafka"].offsets(settings.kafka_topic).items()}
    partition = max(ends, key=lambda number: ends[number] - committed[number])
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap_servers})
    cut = TopicPartition(settings.kafka_topic, partition, ends[partition] - 1)
    for future in admin.delete_records([cut]).values():
        future.result()
    launch(api, "start_pipeline")
    settle(settings)
    verdict = red(api)["nothing_lost"]
    first, last = committed[partition], ends[partition] - 2
    assert first < last
    assert f"{last - first + 1:,} gone: partition {partition}: {first}-{last}" in verdict.description


def test_the_jobs_writer_can_touch_neither_letters_nor_ledger(settings: Settings, api: DagsterApi) -> None:
    del api
    postgres = resources(settings)["postgres"]
    for statement in ("SELECT FROM ledger", "DELETE FROM dead_letters", "UPDATE ledger SET lost = 0"):
        with pytest.raises(ConfigurationError, match="permission denied"), postgres.connect("writer") as connection:
            connection.cursor().execute(statement)


def test_a_bad_event_is_a_dead_letter_within_30_s(settings: Settings, table: Table) -> None:
    send(settings, [b'{"event_id":"bad-now","user_name":"","location":"b"}'])
    question = "SELECT reason FROM dead_letters WHERE value LIKE %s"
    wait_until(lambda: table.run(question, b"%bad-now%") == [("blank",)], "the dead letter is there", timeout_s=30)
