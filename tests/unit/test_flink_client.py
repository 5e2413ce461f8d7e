"""The REST client against recorded answers of a real cluster."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import SecretStr

from orchestration.errors import ConfigurationError, TransientError
from orchestration.flink.client import Access, FlinkClient
from orchestration.flink.errors import FlinkNotFound, FlinkNotReady, FlinkRejected, FlinkUnreachable
from orchestration.flink.types import JobSummary, root_cause
from tests.fixtures.flink_rest import Reply, RestDouble, recorded, serving

JOB = "0123456789abcdef0123456789abcdef"
# What a JobManager said of a job that it was restoring.
INITIALIZING = (
    "org.apache.flink.runtime.dispatcher.UnavailableDispatcherOperationException: Unable to get JobMasterGateway for "
    "initializing job. The requested operation is not available while the JobManager is initializing.\n\tat a.b.C"
)


def ask(reply: Reply, question: Callable[[FlinkClient], Any]) -> tuple[Any, tuple[Any, ...]]:
    """The client's answer, and the request that it sent."""
    with serving(RestDouble(lambda *_: reply)) as double:
        answer = question(FlinkClient(double.url + "/", timeout_s=2))
    (request,) = double.asked
    return answer, request


def test_overview() -> None:
    overview, request = ask((200, recorded("overview")), FlinkClient.overview)
    assert request[:2] == ("GET", "/overview")
    assert (overview.version, overview.task_managers, overview.slots_total) == ("2.3.0", 1, 4)


def test_jobs_of_all_states() -> None:
    jobs, _ = ask((200, recorded("jobs")), FlinkClient.jobs)
    assert {job.state: (job.ended, job.healthy) for job in jobs} == {
        "RUNNING": (False, True),
        "FINISHED": (True, False),
        "CANCELED": (True, False),
        "FAILED": (True, False),
    }
    assert next(job.ended_at_ms for job in jobs if job.state == "RUNNING") is None


def test_active_jobs_are_those_of_the_name_that_have_not_ended() -> None:
    active, _ = ask((200, recorded("jobs")), lambda client: client.active_jobs("splitpay-events"))
    assert [job.id for job in active] == [JOB]
    assert ask((200, recorded("jobs")), lambda client: client.active_jobs("other"))[0] == ()


def test_job_counts_its_tasks() -> None:
    job, request = ask((200, recorded("job")), lambda client: client.job(JOB))
    assert request[1] == f"/jobs/{JOB}"
    assert (job.name, job.tasks_running, job.tasks_total, job.healthy) == ("splitpay-events", 2, 2, True)


def test_job_with_a_task_that_is_not_running_is_not_healthy() -> None:
    raw = recorded("job")
    raw["vertices"][0]["tasks"].update(RUNNING=1, INITIALIZING=1)
    assert not JobSummary.from_detail(raw).healthy


def test_vertices() -> None:
    (vertex,), _ = ask((200, recorded("job")), lambda client: client.vertices(JOB))
    assert vertex.parallelism == 2
    assert vertex.name.startswith("Source: KafkaSource")


def test_job_parameters() -> None:
    parameters, request = ask((200, recorded("config")), lambda client: client.job_parameters(JOB))
    assert request[1] == f"/jobs/{JOB}/config"
    assert set(parameters) == {"fingerprint"}


def test_job_parameters_of_a_job_without_any() -> None:
    assert ask((200, {"jid": JOB, "name": "x"}), lambda client: client.job_parameters(JOB))[0] == {}


def test_checkpoints() -> None:
    stats, _ = ask((200, recorded("checkpoints")), lambda client: client.checkpoints(JOB))
    assert (stats.completed, stats.failed, stats.failed_since_completed) == (27, 0, 0)
    assert stats.latest_completed.external_path.endswith(f"/checkpoints/{JOB}/chk-27")
    assert stats.latest_completed.completed_at_ms - stats.latest_completed.triggered_at_ms == 13
    assert stats.latest_failed is None


def test_failed_checkpoint() -> None:
    stats, _ = ask((200, recorded("checkpoints_failed")), lambda client: client.checkpoints(JOB))
    assert stats.failed == 1
    assert stats.latest_failed.message.startswith("An Exception occurred while triggering the checkpoint.")
    assert stats.failed_since_completed == 0, "one has completed since"


def test_failures_since_the_last_completed_checkpoint_are_counted() -> None:
    raw = recorded("checkpoints_failed")
    raw["latest"]["completed"] = None
    assert ask((200, raw), lambda client: client.checkpoints(JOB))[0].failed_since_completed == 1


def test_exceptions_tell_their_root_cause() -> None:
    exceptions, request = ask((200, recorded("exceptions")), lambda client: client.exceptions(JOB, 7))
    assert request[2] == {"maxExceptions": "7"}
    assert len(exceptions) == 2
    assert exceptions[0].message.endswith(
        "UnknownTopicOrPartitionException: This server does not host this topic-partition."
    )
    assert exceptions[0].at_ms > exceptions[1].at_ms


def test_no_exceptions() -> None:
    assert ask((200, recorded("exceptions_none")), lambda client: client.exceptions(JOB))[0] == ()


@pytest.mark.parametrize(
    ("reply", "completed", "location", "failure"),
    [
        ("savepoint_running", False, None, None),
        ("savepoint_done", True, "file:/var/flink/state/savepoints/savepoint-012345-943be32dfbdb", None),
        ("savepoint_failed", True, None, "Failed to create savepoint directory"),
    ],
)
def test_savepoint_status(reply: str, completed: bool, location: str | None, failure: str | None) -> None:
    status, request = ask((200, recorded(reply)), lambda client: client.savepoint_status(JOB, "r1"))
    assert request[1] == f"/jobs/{JOB}/savepoints/r1"
    assert (status.completed, status.location) == (completed, location)
    assert (failure or "") in (status.failure or "")
    assert bool(status.failure) == bool(failure)


def test_metrics() -> None:
    metrics, request = ask((200, recorded("job_metrics")), lambda client: client.job_metrics(JOB, ("a", "b")))
    assert request[2] == {"get": "a,b"}
    assert metrics == {"numRestarts": 0.0, "lastCheckpointDuration": 13.0, "uptime": 133678.0}
    metrics, request = ask((200, recorded("subtask_metrics")), lambda c: c.vertex_metrics(JOB, "v", ("numRecordsIn",)))
    assert request[1:3] == (f"/jobs/{JOB}/vertices/v/subtasks/metrics", {"get": "numRecordsIn", "agg": "sum"})
    assert metrics["numRecordsIn"] == 129


@pytest.mark.parametrize(
    ("question", "method", "path", "body"),
    [
        (
            lambda client: client.stop_with_savepoint(JOB, "file:///s"),
            "POST",
            f"/jobs/{JOB}/stop",
            {"targetDirectory": "file:///s", "drain": False},
        ),
        (
            lambda client: client.trigger_savepoint(JOB, "file:///s"),
            "POST",
            f"/jobs/{JOB}/savepoints",
            {"target-directory": "file:///s", "cancel-job": False},
        ),
        (
            lambda client: client.dispose_savepoint("file:///s/1"),
            "POST",
            "/savepoint-disposal",
            {"savepoint-path": "file:///s/1"},
        ),
    ],
)
def test_asynchronous_requests(
    question: Callable[[FlinkClient], str], method: str, path: str, body: dict[str, Any]
) -> None:
    answer, request = ask((202, {"request-id": "r1"}), question)
    assert answer == "r1"
    assert (request[0], request[1], request[3]) == (method, path, body)


def test_cancel() -> None:
    _, request = ask((202, {}), lambda client: client.cancel(JOB))
    assert request[:3] == ("PATCH", f"/jobs/{JOB}", {"mode": "cancel"})


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        ((404, recorded("not_found")), FlinkNotFound, "Job deadbeefdeadbeefdeadbeefdeadbeef not found"),
        ((400, {"errors": ["Bad request.", "a.b.Refused: no such thing\n\tat a.b.C"]}), FlinkRejected, "no such"),
        ((500, "<html>"), FlinkRejected, "500"),
        ((502, "<html>"), FlinkUnreachable, "502: the proxy before it has no answer"),
        ((504, "<html>"), FlinkUnreachable, "504: the proxy before it has no answer"),
        ((401, "<html>"), FlinkRejected, "is the token right"),
        ((403, {"errors": ["no"]}), FlinkRejected, "is the token right"),
        ((503, {"errors": ["Service temporarily unavailable"]}), FlinkNotReady, "not ready yet"),
        ((500, {"errors": ["Internal server error.", INITIALIZING]}), FlinkNotReady, "not ready yet"),
        ((200, "<html>not flink</html>"), FlinkRejected, "is this Flink's REST address"),
    ],
)  # fmt: skip
def test_refusals(reply: Reply, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ask(reply, lambda client: client.job(JOB))


@pytest.mark.parametrize(("token", "sent"), [("", None), ("hunter2", "Bearer hunter2")])
def test_a_token_signs_each_request_and_shows_nowhere(
    token: str, sent: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login l password p\n")
    if sent:
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    access = Access(token=SecretStr(token))
    assert access(requests.Request("GET", "http://x/").prepare()).headers.get("Authorization") == sent
    with serving(RestDouble(lambda *_: (200, recorded("overview")))) as double:
        FlinkClient(double.url, access=access).overview()
        assert [headers.get("Authorization") for headers in double.headers] == [sent]
    assert "hunter2" not in repr(FlinkClient("http://x", access=access).access)


def test_no_server_is_transient() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(FlinkUnreachable, match="is the JobManager up") as raised:
            FlinkClient(url).overview()
    assert isinstance(raised.value, TransientError)


def test_a_silent_server_is_given_up_within_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(FlinkUnreachable, match="no answer"):
        FlinkClient(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2).overview()


def test_a_refusal_is_for_people_to_fix() -> None:
    assert issubclass(FlinkRejected, ConfigurationError)


@pytest.mark.parametrize(
    ("stacktrace", "cause"),
    [
        ("a.B: one\n\tat x\nCaused by: c.D: two\n\tat y\n\t... 3 more\n", "c.D: two"),
        ("a.B: one\n\tat x", "a.B: one"),
        ("plain words", "plain words"),
        ("", ""),
    ],
)
def test_root_cause(stacktrace: str, cause: str) -> None:
    assert root_cause(stacktrace) == cause
