"""The sink of our own on the real cluster: what it writes, what it retries, and what its failures leave alone."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from flink_jobs.spec import JobSpec
from infra.local.stack import Stack
from orchestration.flink.client import FlinkClient
from orchestration.ledger.reader import RecordReader
from orchestration.settings import Settings
from tests.acceptance.pipeline import wait_until
from tests.fixtures.flink_job import bound_to, start
from tests.fixtures.ledger import Scene, event

PATIENCE_S = 60.0
RESTARTS = "numRestarts"


Submit = Callable[[JobSpec], None]


@pytest.fixture
def spec(scene: Scene, settings: Settings) -> Iterator[JobSpec]:
    """The pipeline's job bound to the scene; whatever was submitted as it is cancelled."""
    yield replace(bound_to(scene, settings), job_id=secrets.token_hex(16))
    flink = FlinkClient(settings.flink_rest_url)
    for job in flink.active_jobs(scene.topic):
        flink.cancel(job.id)


@pytest.fixture
def submit(tmp_path: Path) -> Submit:
    """Submit a job as the control plane does."""
    return lambda job: start(job, tmp_path / "job.json")


@pytest.fixture
def restarts(settings: Settings, spec: JobSpec) -> Callable[[], int]:
    """How often Flink has restarted the job."""
    flink = FlinkClient(settings.flink_rest_url)
    return lambda: int(flink.job_metrics(spec.job_id or "", (RESTARTS,)).get(RESTARTS, 0))


@pytest.fixture
def taskmanager(stack: Stack) -> Callable[[], int]:
    """The process id of the TaskManager."""
    return lambda: next(state.pid for state in stack.states() if state.name == "flink-taskmanager")


def landed(scene: Scene) -> int:
    """Rows in the table."""
    ((count,),) = scene.rows("SELECT count(*) FROM events")
    return int(count)


def newest(scene: Scene) -> int:
    """The greatest offset in the table; -1 for none."""
    ((offset,),) = scene.rows("SELECT coalesce(max(kafka_offset), -1) FROM events")
    return int(offset)


def has_reached(scene: Scene, offset: int) -> bool:
    """That is the greatest offset in the table."""
    return newest(scene) == offset


def has_rows(scene: Scene, count: int) -> bool:
    """The table holds so many."""
    return landed(scene) == count


def is_another(scene: Scene, spec: JobSpec, waiting: set[int]) -> bool:
    """A second session of the job has been seen to wait for a lock; never are there two at once."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'"
    with scene.postgres.connect("owner") as connection, connection, connection.cursor() as cursor:
        cursor.execute(query, (spec.job_name,))  # what the writer waits for only its own kind may see
        found = {pid for (pid,) in cursor.fetchall()}
    assert len(found) <= 1
    waiting |= found
    return len(waiting) > 1


def end_sessions(scene: Scene, spec: JobSpec) -> int:
    """Terminate the job's sessions; returns how many there were."""
    ((count,),) = scene.rows("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", spec.job_name)
    scene.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", spec.job_name)
    return int(count)


def test_each_type_lands_as_it_is_and_of_one_id_the_last(scene: Scene, spec: JobSpec, submit: Submit) -> None:
    kept = ["plain", "José 😀", "it's", 'a"b', "a\\b", "NULL", "x" * 50, "\u00a0"]
    first = [event(f"id-{number}", user_name="old") for number in range(len(kept))]
    last = [event(f"id-{number}", user_name=text) for number, text in enumerate(kept)]
    scene.produce(*first, *last)
    submit(replace(spec, start_offsets={0: 0}, end_offsets={0: 2 * len(kept)}))
    wait_until(lambda: landed(scene) == len(kept), "the rows", PATIENCE_S)
    found = scene.rows("SELECT event_id, user_name, kafka_partition, kafka_offset, produced_at FROM events ORDER BY 4")
    assert [row[:4] for row in found] == [
        (f"id-{number}", text, 0, len(kept) + number) for number, text in enumerate(kept)
    ]
    with RecordReader(scene.kafka.brokers, scene.topic) as reader:
        stamps = {record.offset: record.timestamp_ms for record in reader.read_range(0, 0, 2 * len(kept))}
    assert [round(row[4].timestamp() * 1000) for row in found] == [stamps[row[3]] for row in found]


def test_batches_with_ids_that_have_landed_are_upserted(scene: Scene, spec: JobSpec, submit: Submit) -> None:
    """New ids, known ones, and both in one batch, so that COPY is tried, refused, let be and tried again."""
    ids = [*range(40), *range(20, 60), *range(60, 200), 199, 200, 0, *range(201, 260)]
    scene.produce(*(event(f"id-{number}", user_name=f"at {place}") for place, number in enumerate(ids)))
    submit(replace(spec, sink_flush_rows=4, start_offsets={0: 0}, end_offsets={0: len(ids)}))
    wait_until(lambda: (landed(scene), newest(scene)) == (260, len(ids) - 1), "the rows", PATIENCE_S)
    last = {f"id-{number}": (f"at {place}", place) for place, number in enumerate(ids)}
    found = scene.rows("SELECT event_id, user_name, kafka_offset FROM events")
    assert {row[0]: row[1:] for row in found} == last


def test_of_one_id_the_last_row_stays_whoever_wrote_it_before(scene: Scene, spec: JobSpec, submit: Submit) -> None:
    """Ids that come again soon, late, and in a job that has not seen them, among new ones: one row each, the last."""
    chance = random.Random(7)  # noqa: S311 - no secret
    ids = [chance.randrange(at // 2 + 1) if chance.random() < 0.3 else at for at in range(3_000)]
    scene.produce(*(event(f"id-{number}", user_name=f"at {place}") for place, number in enumerate(ids)))
    last = {f"id-{number}": (f"at {place}", place) for place, number in enumerate(ids)}
    for begin, end in ((0, 1_000), (1_000, len(ids))):
        part = replace(spec, job_id=secrets.token_hex(16), sink_flush_rows=32)
        submit(replace(part, start_offsets={0: begin}, end_offsets={0: end}))
        wait_until(partial(has_reached, scene, end - 1), f"the rows up to {end}", PATIENCE_S)
    wait_until(partial(has_rows, scene, len(last)), "all rows", PATIENCE_S)
    found = scene.rows("SELECT event_id, user_name, kafka_offset FROM events")
    assert {row[0]: row[1:] for row in found} == last


def test_a_lost_session_costs_no_restart(
    scene: Scene, spec: JobSpec, submit: Submit, restarts: Callable[[], int]
) -> None:
    submit(spec)
    for number in range(5):
        scene.produce(event(f"id-{number}"))
        wait_until(partial(has_rows, scene, number + 1), "the row", PATIENCE_S)
        assert end_sessions(scene, spec) == 1
    assert restarts() == 0


def test_what_postgres_refuses_restarts_the_job_and_nothing_else(
    scene: Scene,
    spec: JobSpec,
    submit: Submit,
    restarts: Callable[[], int],
    taskmanager: Callable[[], int],
) -> None:
    submit(spec)
    scene.produce(event("before"))
    wait_until(lambda: landed(scene) == 1, "the first row", PATIENCE_S)
    process = taskmanager()
    scene.execute("ALTER TABLE events ADD CONSTRAINT refused CHECK (event_id <> 'after')")
    scene.produce(event("after"), event("and-after"))
    wait_until(lambda: restarts() >= 2, "a restart", PATIENCE_S)
    scene.execute("ALTER TABLE events DROP CONSTRAINT refused")
    wait_until(lambda: landed(scene) == 3, "the other rows", PATIENCE_S)
    assert taskmanager() == process


def test_what_was_given_up_cannot_land_after_what_is_repeated(
    scene: Scene, spec: JobSpec, submit: Submit, restarts: Callable[[], int]
) -> None:
    """The table is locked for longer than the driver waits: one session a time stands in the lock's queue."""
    submit(replace(spec, jdbc_url=f"{spec.jdbc_url}?socketTimeout=1"))
    scene.produce(event("before"))
    wait_until(lambda: landed(scene) == 1, "the first row", PATIENCE_S)
    waiting: set[int] = set()
    with scene.postgres.connect("owner") as connection, connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        scene.produce(event("after"))
        wait_until(partial(is_another, scene, spec, waiting), "a second try", PATIENCE_S)
    wait_until(lambda: landed(scene) == 2, "the second row", PATIENCE_S)
    assert restarts() == 0
