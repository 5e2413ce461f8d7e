"""The job sensor, run as Dagster runs it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import dagster as dg
import pytest

from orchestration.flink.resource import FlinkResource
from orchestration.flink.sensor import build_flink_job_sensor, job_figures, take
from orchestration.flink.types import CheckpointStats, JobSummary
from tests.fixtures.flink_rest import Reply, RestDouble, recorded, serving

JOB = "0123456789abcdef0123456789abcdef"
NOW_MS = 1_795_437_628_350.0


def answers(jobs: list[dict[str, Any]]) -> Callable[..., Reply]:
    """A cluster with these jobs."""
    replies = {
        "/jobs/overview": {"jobs": jobs},
        f"/jobs/{JOB}/checkpoints": recorded("checkpoints"),
        f"/jobs/{JOB}/metrics": recorded("job_metrics"),
    }
    return lambda _method, path, *_: (200, replies[path])


def our_job() -> dict[str, Any]:
    """The recorded running job."""
    return next(job for job in recorded("jobs")["jobs"] if job["state"] == "RUNNING")


def observe(jobs: list[dict[str, Any]]) -> dict[str, Any]:
    """The metadata of one observation."""
    with serving(RestDouble(answers(jobs))) as double:
        flink = FlinkResource(rest_url=double.url, state_uri="file:///none")
        return {key: value.value for key, value in take(flink, "splitpay-events", NOW_MS).items()}


def test_a_running_job() -> None:
    metadata = observe([our_job()])
    assert metadata["state"] == "RUNNING"
    assert metadata["restarts"] == 0
    assert metadata["last_checkpoint_age_s"] == 10.0
    assert metadata["checkpoints_completed"] == 27
    assert metadata["uptime_s"] > 0
    assert metadata["flink_ui"].endswith(f"/#/job/running/{JOB}/overview")


@pytest.mark.parametrize(("count", "state"), [(0, "ABSENT"), (2, "AMBIGUOUS")])
def test_no_single_job(count: int, state: str) -> None:
    metadata = observe([our_job()] * count)
    assert (metadata["state"], metadata["active_jobs"]) == (state, count)


def test_what_is_not_known_yet_is_absent() -> None:
    stats = CheckpointStats(0, 0, 0, 0, None, None, 0, None)
    figures = job_figures(JobSummary(JOB, "n", "CREATED", 0, None, 0, 0, 1), stats, None, 5_000)
    assert figures["uptime_s"] == 5.0
    assert not {"restarts", "last_checkpoint_age_s"} & figures.keys()


def test_the_sensor_reports_an_observation_of_the_asset() -> None:
    sensor = build_flink_job_sensor("splitpay-events", "streaming_job")
    with serving(RestDouble(answers([our_job()]))) as double:
        flink = FlinkResource(rest_url=double.url, state_uri="file:///none")
        with dg.build_sensor_context(resources={"flink": flink}) as context:
            result = sensor(context)
    assert sensor.name == "splitpay_events_sensor"
    assert isinstance(result, dg.SensorResult)
    (event,) = result.asset_events
    assert isinstance(event, dg.AssetObservation)
    assert event.asset_key == dg.AssetKey("streaming_job")
    assert event.metadata["state"].value == "RUNNING"


def test_a_cluster_out_of_reach_is_reported_and_not_raised() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        metadata = take(FlinkResource(rest_url=url, state_uri="file:///none"), "splitpay-events", NOW_MS)
    assert metadata["state"].value == "UNREACHABLE"
