"""Steps that the acceptance tests share: launch a job, and wait until the pipeline has settled."""

from __future__ import annotations

import time
from collections.abc import Callable

from orchestration.cli.counts import caught_up, read_counts
from orchestration.cli.dagster_api import DagsterApi
from orchestration.defs.resources import resources
from orchestration.flink.client import FlinkClient
from orchestration.settings import Settings

TIMEOUT_S = 180.0


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Poll twice a second; fail with the words when the time is up."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.5)


def launch(api: DagsterApi, job: str) -> None:
    """Launch a Dagster job and insist on its success."""
    api.run(job, lambda *_: None)


def settle(settings: Settings) -> None:
    """Wait until the producers have ended, and the job and the ledger have come to the topic's end."""
    producer = resources(settings)["producer"]
    wait_until(lambda: all(report.state != "running" for report in producer.reports()), "the producers have ended")
    goal = read_counts(settings).ends
    wait_until(lambda: caught_up(read_counts(settings), goal), "everything is read and accounted for")


def active(flink: FlinkClient, settings: Settings) -> list[str]:
    """Ids of the jobs of our name that have not ended."""
    return [job.id for job in flink.active_jobs(settings.flink_job_name)]
