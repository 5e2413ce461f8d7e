"""The whole pipeline as containers, launched from Dagster's API; in the order in which it would go wrong."""

from __future__ import annotations

import os
import signal
import time

import psutil

from infra.containers.site import PROJECT_LABEL, RUN_STOP_TIMEOUT_S
from orchestration.cli.dagster_api import DagsterApi
from tests.acceptance.pipeline import launch, wait_until
from tests.acceptance.ui import TERMINATE, status
from tests.containers.pipeline import NAME, Pipeline, api_of

SAMPLE_ROWS = 1_000
RUN_ID = "dagster/run_id"
USER = "10001:10001"


def kill(pipeline: Pipeline, container: str) -> None:
    """As the kernel does when memory is short: of a container that the engine kills itself it knows the end."""
    os.kill(int(pipeline.inspect(container)["State"]["Pid"]), signal.SIGKILL)


def run_container(pipeline: Pipeline, run_id: str) -> str:
    """The container in which a run is under way."""
    wait_until(lambda: bool(pipeline.labelled(f"{RUN_ID}={run_id}")), "the run has a container")
    return pipeline.labelled(f"{RUN_ID}={run_id}")[0]


def attached(pipeline: Pipeline) -> str:
    """A run that stays; its id, once it is under way."""
    run_id = pipeline.api.launch("stream_session")
    wait_until(lambda: status(pipeline.api, run_id) == "STARTED", "the session is under way")
    return run_id


def test_rows_land_and_the_ledger_balances(pipeline: Pipeline) -> None:
    launch(pipeline.api, "start_pipeline")
    pipeline.await_rows(SAMPLE_ROWS)
    fates = pipeline.fates()
    assert (fates["lost"], fates["gone"]) == (0, 0)
    assert fates["dead"] > 0, "the generator sends some malformed events"
    assert pipeline.verdicts()["offsets_balance"] == "passed"


def test_the_producer_is_a_container_of_its_own_that_is_adopted(pipeline: Pipeline) -> None:
    before = pipeline.labelled("pi3.producer=generator-1")
    assert before == [f"{NAME}-producer-generator-1"]
    launch(pipeline.api, "start_pipeline")
    assert pipeline.labelled("pi3.producer") == before, "adopted, and the sample file is not sent again"
    kill(pipeline, before[0])
    wait_until(lambda: not pipeline.labelled("pi3.producer"), "the producer is gone")
    landed = pipeline.fates()["landed"]
    launch(pipeline.api, "start_pipeline")
    assert pipeline.labelled("pi3.producer") == [f"{NAME}-producer-generator-2"]
    pipeline.await_rows(landed + SAMPLE_ROWS)


def test_a_killed_run_container_is_noticed_and_the_stream_goes_on(pipeline: Pipeline) -> None:
    run_id = attached(pipeline)
    landed = pipeline.fates()["landed"]
    kill(pipeline, run_container(pipeline, run_id))
    wait_until(lambda: status(pipeline.api, run_id) == "FAILURE", "the run is marked as failed", 90)
    pipeline.await_rows(landed + SAMPLE_ROWS)
    assert pipeline.fates()["lost"] == 0


def test_a_terminated_session_stops_with_a_savepoint(pipeline: Pipeline) -> None:
    run_id = attached(pipeline)
    container = run_container(pipeline, run_id)
    # The answer comes when the container has ended, and a savepoint takes its time.
    patient = DagsterApi(pipeline.api.url, timeout_s=RUN_STOP_TIMEOUT_S)
    assert patient.ask(TERMINATE, {"runId": run_id})["terminateRun"]["__typename"] == "TerminateRunSuccess"
    wait_until(lambda: status(pipeline.api, run_id) == "CANCELED", "the run has ended")
    wait_until(lambda: container not in pipeline.labelled(RUN_ID), "its container is gone")
    assert pipeline.told("job", "status", "--json")["wanted"][0]["wanted"] == "stopped"
    launch(pipeline.api, "resume_stream")
    pipeline.await_rows(pipeline.fates()["landed"])


def test_a_killed_taskmanager_costs_no_row(pipeline: Pipeline) -> None:
    landed = pipeline.fates()["landed"]
    taskmanager = pipeline.project.container("taskmanager")
    assert taskmanager is not None
    kill(pipeline, taskmanager)
    time.sleep(5)
    pipeline.await_rows(landed + 2 * SAMPLE_ROWS)
    assert pipeline.inspect(taskmanager)["RestartCount"] == 1
    assert pipeline.fates()["lost"] == 0
    assert pipeline.verdicts()["nothing_lost"] == "passed"


def test_containers_are_confined_and_hold_no_password(pipeline: Pipeline) -> None:
    of_compose = pipeline.labelled(f"com.docker.compose.project={NAME}")
    assert len(of_compose) == 7
    postgres = pipeline.project.container("postgres")
    assert postgres is not None
    folder = "/var/lib/pi3/secrets"
    passwords = pipeline.project.engine.ask("exec", postgres, "sh", "-c", f"for f in {folder}/*; do cat $f; echo; done")
    assert len(passwords) == 5
    for name in [*of_compose, *pipeline.labelled(f"{PROJECT_LABEL}={NAME}")]:
        found = pipeline.inspect(name)
        assert found["Config"]["User"] == USER, name
        assert found["HostConfig"]["ReadonlyRootfs"] is True, name
        assert not found.get("EffectiveCaps"), name
        assert not any(password in str(found) for password in passwords), name
        arguments = " ".join(psutil.Process(found["State"]["Pid"]).cmdline())
        assert not any(password in arguments for password in passwords), name


def test_only_the_uis_are_published_and_on_loopback(pipeline: Pipeline) -> None:
    published = {
        (port, bound["HostIp"])
        for name in pipeline.labelled(f"com.docker.compose.project={NAME}")
        for port, hosts in pipeline.inspect(name)["NetworkSettings"]["Ports"].items()
        for bound in hosts or ()
    }
    assert published == {("3000/tcp", "127.0.0.1"), ("8081/tcp", "127.0.0.1")}


def test_down_and_up_keeps_the_data(pipeline: Pipeline) -> None:
    launch(pipeline.api, "stop_pipeline")
    before = pipeline.fates()
    pipeline.project.down()
    assert pipeline.project.engine.ask("ps", "--all", "--quiet", "--filter", f"label={PROJECT_LABEL}={NAME}") == []
    api = api_of(pipeline.project.up().dagster)
    again = Pipeline(pipeline.project, api)
    assert again.fates()["landed"] >= before["landed"] > 0
    launch(api, "start_pipeline")
    again.await_rows(before["landed"] + SAMPLE_ROWS)
    assert again.fates()["lost"] == 0
    assert again.told("job", "status", "--json")["wanted"][0]["restored_from"]
