"""Every server is asked at once, each within a limit, and none hides the others; and what each says as facts."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from orchestration.errors import ConfigurationError, TransientError
from orchestration.flink.client import FlinkClient
from orchestration.health.facts import Checkpoints, Failure, FlinkFacts, JobFacts, KafkaFacts, Unreachable
from orchestration.health.gather import within
from orchestration.health.read_flink import read_flink
from tests.fixtures.flink_rest import Reply, RestDouble, recorded, serving


def raising(error: Exception) -> Any:  # noqa: ANN401
    raise error


def test_each_read_is_for_itself() -> None:
    found = within(
        {
            "a": lambda: 5,
            "b": lambda: raising(TransientError("b is down")),
            "c": lambda: raising(ConfigurationError("c refuses")),
            "d": lambda: raising(KeyError("field")),
        },
        5.0,
    )
    assert found == {
        "a": 5,
        "b": Unreachable("b is down"),
        "c": Unreachable("c refuses"),
        "d": Unreachable("d gave an answer that was not understood: KeyError: 'field'"),
    }


def test_a_read_that_hangs_costs_the_deadline_and_no_more() -> None:
    release = threading.Event()
    started = time.monotonic()
    found = within({"hung": release.wait, "slow": release.wait, "quick": lambda: 5}, 0.2)
    release.set()
    assert 0.2 <= time.monotonic() - started < 2.0
    assert found["quick"] == 5
    assert found["hung"] == Unreachable("hung gave no answer within 0.2 s")


JOBS = recorded("jobs")
NAMES = {job["name"] for job in JOBS["jobs"]}


def flink(jobs: Any, checkpoints: str = "checkpoints") -> RestDouble:  # noqa: ANN401
    """Flink with these jobs, of which it tells what was recorded."""

    def route(_: str, path: str, __: dict[str, str], ___: Any) -> Reply:  # noqa: ANN401
        if path == "/jobs/overview":
            return 200, {"jobs": jobs}
        if path.endswith("/metrics"):
            return 200, [{"id": "numRestarts", "value": "3"}]
        return 200, recorded("exceptions" if path.endswith("/exceptions") else checkpoints)

    return RestDouble(route)


def summary(name: str, state: str, started: int) -> dict[str, Any]:
    tasks = {"running": 2, "total": 2}
    return {"jid": f"{name}{started}", "name": name, "state": state, "start-time": started, "end-time": -1,
            "duration": 1, "tasks": tasks}  # fmt: skip


def test_what_flink_says_of_the_job() -> None:
    with serving(flink([summary("ours", "FAILED", 9_000), summary("ours", "RUNNING", 5_000)])) as double:
        found = read_flink(FlinkClient(double.url), "ours")
    assert found.active == 1
    assert found.job is not None
    assert (found.job.id, found.job.started_at_s, found.job.restarts, found.job.whole) == ("ours5000", 5.0, 3, True)
    assert [failure.at_s for failure in found.job.failures] == [1795438117.561, 1795438115.537]
    assert found.job.failures[0].root.endswith("This server does not host this topic-partition.")
    assert found.job.failures[0].causes[0].startswith("org.apache.flink.util.FlinkException: Global failure")
    assert len(found.job.failures[0].causes) == 5


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ([], (0, None)),
        ([summary("another", "RUNNING", 5)], (0, None)),
        ([summary("ours", "CANCELED", 5), summary("ours", "FAILED", 7)], (0, "ours7")),
        ([summary("ours", "RUNNING", 5), summary("ours", "RESTARTING", 7)], (2, "ours7")),
    ],
)
def test_which_job_is_looked_at(jobs: list[Any], expected: tuple[int, str | None]) -> None:
    with serving(flink(jobs)) as double:
        found = read_flink(FlinkClient(double.url), "ours")
    assert (found.active, found.job.id if found.job else None) == expected


def test_a_job_that_is_forgotten_meanwhile_was_none() -> None:
    def route(_: str, path: str, __: dict[str, str], ___: Any) -> Reply:  # noqa: ANN401
        return (
            (200, {"jobs": [summary("ours", "RUNNING", 5)]}) if path == "/jobs/overview" else (404, {"errors": ["?"]})
        )

    with serving(RestDouble(route)) as double:
        assert read_flink(FlinkClient(double.url), "ours") == FlinkFacts(0)


def test_a_job_that_cannot_be_asked_yet_is_there_all_the_same() -> None:
    def route(_: str, path: str, __: dict[str, str], ___: Any) -> Reply:  # noqa: ANN401
        if path == "/jobs/overview":
            return 200, {"jobs": [summary("ours", "INITIALIZING", 5)]}
        return 500, {"errors": ["UnavailableDispatcherOperationException: Unable to get JobMasterGateway"]}

    with serving(RestDouble(route)) as double:
        found = read_flink(FlinkClient(double.url), "ours")
    assert found == FlinkFacts(1, JobFacts("ours5", "INITIALIZING", 2, 2, 0.005))


def test_checkpoints_that_are_pending_or_failed() -> None:
    pending = recorded("checkpoints_failed")
    running = {"id": 70, "status": "IN_PROGRESS", "trigger_timestamp": 1795438300000}
    pending["history"] = [running | {"id": 71, "trigger_timestamp": 1795438301000}, running, *pending["history"]]

    def route(_: str, path: str, __: dict[str, str], ___: Any) -> Reply:  # noqa: ANN401
        if path == "/jobs/overview":
            return 200, {"jobs": [summary("ours", "RUNNING", 5)]}
        if path.endswith("/checkpoints"):
            return 200, pending
        return 200, [] if path.endswith("/metrics") else recorded("exceptions")

    with serving(RestDouble(route)) as double:
        found = read_flink(FlinkClient(double.url), "ours").job
    assert found is not None
    words = "An Exception occurred while triggering the checkpoint. IO-problem detected."
    assert found.checkpoints == Checkpoints(60, 1795438219.403, 0, words, 1795438300.0)
    assert found.restarts is None


def test_lag_counts_what_is_still_there() -> None:
    facts = KafkaFacts({0: 8, 1: 0, 2: 4}, {0: 10, 1: 3, 2: 10}, {0: 4, 1: 50})
    assert facts.lags == {0: 2, 1: 0, 2: 6}
    assert (facts.lag, facts.position(2)) == (8, 4)
    assert Failure(1.0, ("outer", "root")).root == "root"
