"""Replays and resets from Dagster's GraphQL API, on the real stack and with live traffic."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import psutil
import pytest

from infra.local.stack import Stack
from infra.local.supervisor import orphans
from orchestration.cli.dagster_api import DagsterApi, RunResult
from orchestration.defs.resources import resources
from orchestration.flink.types import JobSummary
from orchestration.ledger import hourly
from orchestration.ledger.standing import read_standing
from orchestration.resources.kafka import KafkaResource
from orchestration.settings import Settings
from tests.acceptance.pipeline import active, launch, settle, wait_until
from tests.acceptance.ui import graphql
from tests.fixtures.records import Row, read_table, send

BACKFILL = """
mutation Backfill($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    ... on LaunchBackfillSuccess { backfillId }
    ... on Error { message }
  }
}"""
RUNS = """
query Runs($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results { runId status } } } }"""


def backfill(api: DagsterApi, hours: list[str]) -> list[RunResult]:
    """Replay hours as the UI's button does; the runs that it took."""
    params = {"assetSelection": [{"path": ["replayed_hours"]}], "partitionNames": hours}
    backfill_id = graphql(api, BACKFILL, params=params)["launchPartitionBackfill"]["backfillId"]
    tag = {"tags": [{"key": "dagster/backfill", "value": backfill_id}]}

    def runs() -> list[str]:
        return [run["runId"] for run in graphql(api, RUNS, filter=tag)["runsOrError"]["results"]]

    wait_until(lambda: bool(runs()), "the backfill has launched its runs")
    return [api.follow(run_id, lambda *_: None) for run_id in runs()]


def run(api: DagsterApi, job: str, op: str, **config: object) -> RunResult:
    """Launch a job with the configuration of its op."""
    return api.follow(api.launch(job, {"ops": {op: {"config": config}}}), lambda *_: None)


def replay_range(api: DagsterApi, ranges: Mapping[int, tuple[int, int]], **config: object) -> RunResult:
    spans = {str(number): list(span) for number, span in ranges.items()}
    return run(api, "replay_range", "replay_offsets", ranges=spans, **config)


class Live:
    """What goes on meanwhile: new events, and the offsets that the stream's group commits."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kafka: KafkaResource = resources(settings)["kafka"]
        self.sent = 0
        self.committed: list[dict[int, int]] = []

    def step(self) -> None:
        values = [event(f"live-{self.sent + number}") for number in range(20)]
        send(self._settings, list(values))
        self.sent += len(values)
        self.committed.append(self._kafka.committed(self._settings.kafka_consumer_group, self._settings.kafka_topic))

    def assert_it_went_on(self) -> None:
        """Every event has landed, and no committed offset has moved back."""
        settle(self._settings)
        landed = {row[0] for row in read_table(self._settings)}
        assert {f"live-{number}" for number in range(self.sent)} <= landed
        for before, after in zip(self.committed, self.committed[1:], strict=False):
            assert all(after[number] >= offset for number, offset in before.items())


@contextmanager
def live_traffic(settings: Settings) -> Iterator[Live]:
    live, over = Live(settings), threading.Event()

    def go_on() -> None:
        while not over.wait(0.3):
            live.step()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield live
    finally:
        over.set()
        thread.join()


def event(event_id: str, user: str = "Ana") -> bytes:
    return json.dumps({"event_id": event_id, "user_name": user, "location": "Lisbon"}).encode()


def old_rows(settings: Settings) -> set[Row]:
    """The table but for the live traffic."""
    return {row for row in read_table(settings) if not row[0].startswith("live-")}


def execute(settings: Settings, statement: str, *parameters: object) -> None:
    postgres = resources(settings)["postgres"]
    with postgres.connect("owner") as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def red(api: DagsterApi, job: str = "ledger_pass") -> dict[str, str]:
    """Failed checks of the ledger and what they say."""
    verdicts = api.run(job, lambda *_: None).verdicts
    return {verdict.name: verdict.description for verdict in verdicts if not verdict.passed}


@pytest.fixture(scope="module", autouse=True)
def _pipeline_runs(api: DagsterApi, settings: Settings) -> None:
    launch(api, "start_pipeline")
    settle(settings)


def test_a_backfill_over_hours_restores_what_was_lost_and_damaged(api: DagsterApi, settings: Settings) -> None:
    flink = resources(settings)["flink"].client
    send(settings, [event(f"victim-{number}") for number in range(300)])
    settle(settings)
    whole, jobs, former = old_rows(settings), active(flink, settings), {job.id for job in flink.jobs()}
    execute(settings, "DELETE FROM events WHERE event_id LIKE 'victim-1__'")
    execute(settings, "UPDATE events SET user_name = 'damaged' WHERE event_id LIKE 'victim-20_'")
    assert "100 LOST" in red(api)["nothing_lost"]
    launch(api, "deep_audit")
    assert "deep_audit_clean" in red(api, "health_check")
    now = datetime.now(timezone.utc)
    with live_traffic(settings) as live:
        (done,) = backfill(api, [hourly.key(now - timedelta(hours=1)), hourly.key(now)])
    assert (done.status, done.failures) == ("SUCCESS", ())
    live.assert_it_went_on()
    assert live.sent > 0
    assert old_rows(settings) == whole
    assert len(read_table(settings)) == len({row[0] for row in read_table(settings)})
    assert active(flink, settings) == jobs
    replays = [job.state for job in flink.jobs() if job.name.startswith("replay.") and job.id not in former]
    assert replays == ["FINISHED"], "one bounded job for both hours"
    for told in api.materializations("replayed_hours")[:2]:
        assert (told["hours"], told["rows_added"], told["rows_changed"], told["lost_after"]) == (2, 100, 10, 0)
    assert "nothing_lost" not in red(api)


@contextmanager
def locked_table(settings: Settings) -> Iterator[None]:
    """Nobody can write rows."""
    with resources(settings)["postgres"].connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE events IN EXCLUSIVE MODE")
        yield


def kill_taskmanager(stack: Stack) -> None:
    (process,) = [p for p in orphans(stack.paths.root) if any("TaskManagerRunner" in word for word in p.cmdline())]
    process.kill()
    psutil.wait_procs([process], timeout=10)


def test_a_replay_survives_its_taskmanager_and_sets_nothing_back(
    api: DagsterApi, settings: Settings, stack: Stack
) -> None:
    flink = resources(settings)["flink"].client
    send(settings, [event("revised", "first")])
    settle(settings)
    ends = {number: span.end for number, span in resources(settings)["kafka"].offsets(settings.kafka_topic).items()}
    send(settings, [event("revised", "second")])
    settle(settings)
    whole, jobs = old_rows(settings), active(flink, settings)
    execute(settings, "UPDATE events SET location = 'damaged' WHERE event_id LIKE 'victim-2__'")
    results: list[RunResult] = []
    replaying = threading.Thread(
        target=lambda: results.append(replay_range(api, {number: (0, end) for number, end in ends.items()}))
    )
    with live_traffic(settings) as live:
        with locked_table(settings):
            replaying.start()
            wait_until(lambda: [job.healthy for job in _replays(flink)] == [True], "the replay is at work")
            kill_taskmanager(stack)
            wait_until(lambda: [job.state for job in _replays(flink)] != ["RUNNING"], "the replay has noticed")
        replaying.join()
    (done,) = results
    assert (done.status, done.failures) == ("SUCCESS", ())
    live.assert_it_went_on()
    assert old_rows(settings) == whole
    assert ("revised", "second") in {(row[0], row[1]) for row in whole}
    assert active(flink, settings) == jobs


def _replays(flink: Any) -> list[JobSummary]:  # noqa: ANN401
    """The replays that have not ended. A job is RUNNING before any of its tasks is, and healthy once all are."""
    return [job for job in flink.jobs() if job.name.startswith("replay.") and not job.ended]


def test_what_a_reset_skips_is_lost_until_it_is_replayed(api: DagsterApi, settings: Settings) -> None:
    kafka = resources(settings)["kafka"]
    launch(api, "suspend_stream")
    first = kafka.committed(settings.kafka_consumer_group, settings.kafka_topic)
    send(settings, [event(f"skipped-{number}") for number in range(50)])
    ends = {number: span.end for number, span in kafka.offsets(settings.kafka_topic).items()}
    assert run(api, "reset_stream", "reset_offsets", to="latest").status == "SUCCESS", "it only tells what it would do"
    assert active(resources(settings)["flink"].client, settings) == []
    refused = run(api, "reset_stream", "reset_offsets", to="latest", dry_run=False, confirm="yes")
    assert refused.status == "FAILURE"
    assert "set confirm to the topic's name" in refused.failures[0]
    done = run(api, "reset_stream", "reset_offsets", to="latest", dry_run=False, confirm=settings.kafka_topic)
    assert (done.status, done.failures) == ("SUCCESS", ())
    assert api.materializations("streaming_job")[0]["skipped"] == 50
    settle(settings)
    assert "50 LOST" in red(api)["nothing_lost"]
    lost = {number: (first[number], end) for number, end in ends.items() if end > first[number]}
    standing = read_standing(resources(settings)["postgres"], settings.kafka_topic).lost
    assert {number: sum(span.end - span.begin for span in found.ranges) for number, found in standing.items()} == {
        number: end - begin for number, (begin, end) in lost.items()
    }
    assert replay_range(api, lost).status == "SUCCESS"
    assert "nothing_lost" not in red(api)
    assert {f"skipped-{number}" for number in range(50)} <= {row[0] for row in read_table(settings)}


def test_a_reset_to_the_earliest_reads_everything_again(api: DagsterApi, settings: Settings) -> None:
    found = resources(settings)
    whole = old_rows(settings)
    committed = found["kafka"].committed(settings.kafka_consumer_group, settings.kafka_topic)
    execute(settings, "DELETE FROM events WHERE event_id LIKE 'victim-1__'")
    done = run(api, "reset_stream", "reset_offsets", to="earliest", dry_run=False, confirm=settings.kafka_topic)
    assert (done.status, done.failures) == ("SUCCESS", ())
    assert api.materializations("streaming_job")[0]["read_again"] == sum(committed.values())
    (job,) = active(found["flink"].client, settings)

    def caught_up() -> bool:
        # The offsets of before stand until the first checkpoint has completed.
        checkpoints = found["flink"].client.checkpoints(job).completed
        now = found["kafka"].committed(settings.kafka_consumer_group, settings.kafka_topic)
        return bool(checkpoints >= 2 and now == committed)

    wait_until(caught_up, "the stream has caught up")
    assert old_rows(settings) == whole
    launch(api, "deep_audit")
    assert "nothing_lost" not in red(api)
