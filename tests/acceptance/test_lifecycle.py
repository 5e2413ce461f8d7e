"""The life of the stream from Dagster's UI: suspend and resume, savepoints, self-heal, attached sessions."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from infra.local.stack import Stack
from orchestration.cli.counts import read_counts
from orchestration.cli.dagster_api import DagsterApi
from orchestration.defs.resources import resources
from orchestration.flink.errors import FlinkUnreachable
from orchestration.flink.restore import RestorePoint, as_listed, restore_points
from orchestration.settings import Settings
from orchestration.streaming_job import StreamingJob
from tests.acceptance import ui
from tests.acceptance.pipeline import active, launch, settle, wait_until
from tests.fixtures.records import send


@pytest.fixture(scope="module")
def stream(api: DagsterApi, settings: Settings) -> Iterator[StreamingJob]:
    """The stream, provisioned and settled; nothing is lost at the end."""
    launch(api, "start_pipeline")
    settle(settings)
    found: StreamingJob = resources(settings)["stream"]
    yield found
    launch(api, "resume_stream")
    settle(settings)
    assert read_counts(settings).total.lost == 0


def land(settings: Settings, name: str, *, within_s: float = 120) -> None:
    """Send an event, and wait until its row is there."""
    send(settings, [f'{{"event_id":"{name}","user_name":"a","location":"b"}}'.encode()])
    query = f"SELECT count(*) FROM events WHERE event_id = '{name}'"

    def landed() -> bool:
        with resources(settings)["postgres"].connect("reader") as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return bool(cursor.fetchone()[0])

    wait_until(landed, f"{name} has landed", within_s)


def savepoints(settings: Settings) -> list[RestorePoint]:
    return [point for point in restore_points(settings.flink_state_uri) if point.kind == "savepoint"]


def the_job(stream: StreamingJob) -> str:
    """Id of the one job that is active."""
    (job,) = stream.flink.client.active_jobs(stream.name)
    return job.id


def restored_from(stream: StreamingJob, job_id: str) -> str:
    """Path that Flink says the job was restored from, which it can say once the job runs."""
    wait_until(lambda: (job_id, "RUNNING") in [(job.id, job.state) for job in stream.flink.client.jobs()], "it runs")
    return str(stream.flink.client.checkpoints(job_id).restored_path)


def wait_for_another(stream: StreamingJob, before: str) -> str:
    """Wait until self-heal has brought the stream back; the new job's id."""

    def back() -> bool:
        try:
            found = stream.flink.client.active_jobs(stream.name)
        except FlinkUnreachable:
            return False
        return bool(found) and found[0].id != before and found[0].healthy

    wait_until(back, "self-heal has brought the stream back")
    return the_job(stream)


def wait_for_checkpoint(stream: StreamingJob) -> str:
    """Wait until the one job that is active has completed a checkpoint; its id."""
    job = the_job(stream)
    wait_until(lambda: stream.flink.client.checkpoints(job).completed > 0, "a checkpoint has completed")
    return job


def test_a_suspended_stream_stays_so_and_resumes_from_its_savepoint(
    api: DagsterApi, stream: StreamingJob, settings: Settings
) -> None:
    launch(api, "suspend_stream")
    assert active(stream.flink.client, settings) == []
    savepoint = restore_points(settings.flink_state_uri)[0]
    assert savepoint.kind == "savepoint"
    verdicts = {verdict.name: verdict for verdict in api.run("health_check", lambda *_: None).verdicts}
    assert verdicts["self_heal"].passed
    assert verdicts["self_heal"].description == "the job is stopped on purpose"
    launch(api, "recover_stream")
    assert active(stream.flink.client, settings) == [], "what is suspended is not recovered"
    launch(api, "resume_stream")
    assert as_listed(restored_from(stream, the_job(stream))) == savepoint.path
    land(settings, "after-suspend")


def test_a_savepoint_is_reported_and_old_ones_are_deleted(
    api: DagsterApi, stream: StreamingJob, settings: Settings
) -> None:
    job = the_job(stream)
    for _ in range(settings.savepoints_kept + 1):
        launch(api, "savepoint_stream")
    assert the_job(stream) == job
    kept = savepoints(settings)
    assert len(kept) == settings.savepoints_kept
    told = ui.observations(api, "streaming_job")[0]
    assert told["action"] == "savepoint"
    assert as_listed(told["savepoint"]) == kept[0].path
    assert told["savepoint_bytes"] > 0
    assert told["duration_s"] > 0
    assert {point.job_id for point in restore_points(settings.flink_state_uri) if point.kind == "checkpoint"} <= {job}


def test_a_job_that_is_cancelled_behind_dagsters_back_comes_back(
    api: DagsterApi, stream: StreamingJob, settings: Settings
) -> None:
    before = wait_for_checkpoint(stream)
    stream.flink.client.cancel(before)
    after = wait_for_another(stream, before)
    assert before[:6] in restored_from(stream, after), "from its newest checkpoint or savepoint"
    land(settings, "after-cancel")
    wait_until(lambda: told_of(api) == (True, f"job {after} is RUNNING"), "self_heal is green again")
    assert api.materializations("streaming_job")[0]["attempt"] == 1


def told_of(api: DagsterApi) -> tuple[bool, str]:
    """The newest verdict of `self_heal`."""
    verdict = api.latest_verdict("streaming_job", "self_heal")
    return (verdict.passed, verdict.description) if verdict else (False, "")


def test_a_dead_jobmanager_is_recovered_from(stack: Stack, stream: StreamingJob, settings: Settings) -> None:
    before = wait_for_checkpoint(stream)
    (pid,) = [state.pid for state in stack.states() if state.name == "flink-jobmanager"]
    os.kill(pid, signal.SIGKILL)
    after = wait_for_another(stream, before)
    # Not earlier: the tasks of the dead one go on until they miss their JobManager.
    land(settings, "after-jobmanager-kill")
    assert before[:6] in restored_from(stream, after)


@pytest.mark.parametrize("on_end", ["leave", "savepoint", "cancel"])
def test_a_session_ends_as_it_declares(api: DagsterApi, stream: StreamingJob, settings: Settings, on_end: str) -> None:
    run_id = api.launch("stream_session", {"ops": {"attend_stream": {"config": {"on_end": on_end}}}})
    wait_until(lambda: bool(ui.observations(api, "streaming_job", run_id)), "the session has reported")
    job = wait_for_checkpoint(stream)
    told = ui.observations(api, "streaming_job", run_id)[0]
    assert told["state"] == "RUNNING"
    assert told["rows_landed"] >= 0
    assert told["lag"] >= 0
    before = len(savepoints(settings))
    ui.terminate(api, run_id)
    assert api.follow(run_id, lambda *_: None).status == "CANCELED"
    known = stream.record()
    if on_end == "leave":
        assert (the_job(stream), known.desired) == (job, "running")
        return
    assert (active(stream.flink.client, settings), known.desired) == ([], "stopped")
    assert len(savepoints(settings)) == before + (on_end == "savepoint")
    newest = restore_points(settings.flink_state_uri)[0]
    assert newest.kind == ("savepoint" if on_end == "savepoint" else "checkpoint")
    assert stream.flink.client.job(job).state == ("FINISHED" if on_end == "savepoint" else "CANCELED")
