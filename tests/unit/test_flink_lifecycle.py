"""Starting and stopping the one job of a name, against a cluster that is played by an HTTP server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestration.flink.client import FlinkClient
from orchestration.flink.errors import (
    AmbiguousJob,
    FlinkRejected,
    FlinkTimeout,
    RestoreFailed,
    SubmitFailed,
    SubmitRejected,
)
from orchestration.flink.lifecycle import Ensured, Lifecycle, Stopped
from tests.fixtures.flink_rest import Reply, RestDouble, serving

NAME = "ours"


@dataclass
class Job:
    """A job of the played cluster; `states` are the states that it goes through, one a look, the last one stays."""

    id: str
    states: list[str]
    fingerprint: str | None = "f"
    name: str = NAME

    def look(self) -> str:
        """The state now."""
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


@dataclass
class Cluster:
    """Enough of a JobManager: jobs, savepoints that end as told, and cancelling."""

    folder: Path
    jobs: dict[str, Job] = field(default_factory=dict)
    savepoint: str = "good"
    ends: bool = True
    calls: list[str] = field(default_factory=list)

    def add(self, id_: str, *states: str, fingerprint: str | None = "f") -> None:
        """A job that is there."""
        self.jobs[id_] = Job(id_, list(states), fingerprint)

    def route(self, method: str, path: str, _query: dict[str, str], body: Any) -> Reply:  # noqa: ANN401
        """Answer one request."""
        if path == "/jobs/overview":
            return 200, {"jobs": [self._overview(job) for job in self.jobs.values()]}
        _, _, job_id, *rest = path.split("/")
        if job_id not in self.jobs:
            return 404, {"errors": [f"Job {job_id} not found"]}
        job = self.jobs[job_id]
        return self._tell(job, rest) if method == "GET" else self._do(job, rest, body)

    def _tell(self, job: Job, rest: list[str]) -> Reply:
        match rest:
            case ["config"]:
                return 200, {"execution-config": {"user-config": {"fingerprint": job.fingerprint}}}
            case ["exceptions"]:
                entry = {"exceptionName": "E", "stacktrace": "E: out of luck", "timestamp": 1}
                return 200, {"exceptionHistory": {"entries": [entry]}}
            case ["savepoints", "r1"]:
                return self._savepoint(job)
        state = job.look()
        vertices = [{"tasks": {"RUNNING": int(state == "RUNNING")}, "parallelism": 1}]
        return 200, {**self._overview(job), "state": state, "vertices": vertices}

    def _do(self, job: Job, rest: list[str], body: Any) -> Reply:  # noqa: ANN401
        if rest == ["stop"]:
            self.calls.append(f"stop {job.id} to {body['targetDirectory']}")
            return 202, {"request-id": "r1"}
        self.calls.append(f"cancel {job.id}")
        self._end(job, "CANCELED")
        return 202, {}

    def _savepoint(self, job: Job) -> Reply:
        match self.savepoint:
            case "good":
                self._end(job, "FINISHED")
                return 200, {"status": {"id": "COMPLETED"}, "operation": {"location": f"file:{self.folder}/sp"}}
            case "bad":
                cause = {"class": "E", "stack-trace": "E: disk full"}
                return 200, {"status": {"id": "COMPLETED"}, "operation": {"failure-cause": cause}}
        return 200, {"status": {"id": "IN_PROGRESS"}, "operation": None}

    def _end(self, job: Job, state: str) -> None:
        if self.ends:
            job.states = ["CANCELLING", state]

    @staticmethod
    def _overview(job: Job) -> dict[str, Any]:
        state = job.states[0]
        tasks = {"running": int(state == "RUNNING"), "total": 1}
        times = {"start-time": 1, "end-time": -1, "duration": 1}
        return {"jid": job.id, "name": job.name, "state": state, "tasks": tasks, **times}


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster without jobs, and a state folder without restore points."""
    return Cluster(tmp_path)


@pytest.fixture
def lifecycle(cluster: Cluster) -> Iterator[Lifecycle]:
    """The lifecycle under test, in a hurry."""
    with serving(RestDouble(cluster.route)) as double:
        yield Lifecycle(FlinkClient(double.url), f"file://{cluster.folder}/", 0.3, 0.3, poll_s=0.01)


@dataclass
class Submitter:
    """Starts jobs on the played cluster and remembers what from."""

    cluster: Cluster
    states: tuple[str, ...] = ("INITIALIZING", "CREATED", "RUNNING")
    unreadable: tuple[str, ...] = ()
    restored: list[str | None] = field(default_factory=list)

    def __call__(self, restore_path: str | None, job_id: str) -> str:
        self.restored.append(restore_path)
        if restore_path in self.unreadable:
            raise RestoreFailed(f"cannot restore from {restore_path}")
        self.cluster.add(job_id, *self.states)
        return job_id


def checkpoint(cluster: Cluster, name: str, at_s: int) -> str:
    """A retained checkpoint; its URI."""
    metadata = cluster.folder / "checkpoints" / ("a" * 32) / name / "_metadata"
    metadata.parent.mkdir(parents=True)
    metadata.write_bytes(b"x")
    os.utime(metadata, (at_s, at_s))
    return f"file://{metadata.parent}"


def test_nothing_runs_so_it_is_submitted_afresh(cluster: Cluster, lifecycle: Lifecycle) -> None:
    submitter = Submitter(cluster)
    ensured = lifecycle.ensure_running(NAME, "f", submitter)
    assert ensured == Ensured(next(iter(cluster.jobs)), "submitted", None)
    assert submitter.restored == [None]


def test_it_is_submitted_from_the_newest_checkpoint(cluster: Cluster, lifecycle: Lifecycle) -> None:
    checkpoint(cluster, "chk-1", 100)
    newest = checkpoint(cluster, "chk-2", 200)
    assert lifecycle.ensure_running(NAME, "f", Submitter(cluster)).restored_from == newest


def test_a_running_job_is_adopted(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RUNNING")
    submitter = Submitter(cluster)
    assert lifecycle.ensure_running(NAME, "f", submitter) == Ensured("a", "adopted")
    assert submitter.restored == []


def test_a_restarting_job_is_adopted_once_it_runs(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RESTARTING", "RESTARTING", "RUNNING")
    assert lifecycle.ensure_running(NAME, "f", Submitter(cluster)).action == "adopted"


def test_a_job_that_never_runs_is_reported_with_its_failure(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RESTARTING")
    with pytest.raises(FlinkTimeout, match=r"does not run with all its tasks after 0\.3 s.*out of luck"):
        lifecycle.ensure_running(NAME, "f", Submitter(cluster))


def test_a_job_that_fails_as_it_starts_is_reported(cluster: Cluster, lifecycle: Lifecycle) -> None:
    with pytest.raises(FlinkRejected, match="is FAILED: E: out of luck"):
        lifecycle.ensure_running(NAME, "f", Submitter(cluster, ("INITIALIZING", "FAILED")))


def test_a_job_of_another_definition_is_replaced(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RUNNING", fingerprint="old")
    ensured = lifecycle.ensure_running(NAME, "f", Submitter(cluster))
    assert ensured.action == "submitted"
    assert cluster.calls == [f"stop a to file://{cluster.folder}/savepoints"]
    assert cluster.jobs["a"].states == ["FINISHED"]


def test_nothing_is_submitted_while_the_old_job_lives_on(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RUNNING", fingerprint="old")
    cluster.ends = False
    submitter = Submitter(cluster)
    with pytest.raises(FlinkTimeout, match="job a has not ended"):
        lifecycle.ensure_running(NAME, "f", submitter)
    assert submitter.restored == []


def test_an_ending_job_is_waited_for(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "CANCELLING", "CANCELLING", "CANCELED")
    assert lifecycle.ensure_running(NAME, "f", Submitter(cluster)).action == "submitted"


def test_two_running_jobs_are_left_to_people(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RUNNING")
    cluster.add("b", "RUNNING")
    with pytest.raises(AmbiguousJob, match=r"2 jobs named ours run \(a, b\)"):
        lifecycle.ensure_running(NAME, "f", Submitter(cluster))
    assert cluster.calls == []


def test_an_unreadable_checkpoint_is_passed_over(cluster: Cluster, lifecycle: Lifecycle) -> None:
    older, newest = checkpoint(cluster, "chk-1", 100), checkpoint(cluster, "chk-2", 200)
    submitter = Submitter(cluster, unreadable=(newest,))
    ensured = lifecycle.ensure_running(NAME, "f", submitter)
    assert (ensured.restored_from, ensured.unreadable) == (older, (newest,))


def test_it_never_starts_afresh_when_no_checkpoint_can_be_read(cluster: Cluster, lifecycle: Lifecycle) -> None:
    points = (checkpoint(cluster, "chk-1", 100), checkpoint(cluster, "chk-2", 200))
    submitter = Submitter(cluster, unreadable=points)
    with pytest.raises(RestoreFailed, match="chk-1"):
        lifecycle.ensure_running(NAME, "f", submitter)
    assert submitter.restored == [points[1], points[0]]


def test_a_submission_whose_answer_was_lost_counts(cluster: Cluster, lifecycle: Lifecycle) -> None:
    def lost(restore_path: str | None, job_id: str) -> str:
        Submitter(cluster)(restore_path, job_id)
        raise SubmitFailed("no end within 1 s")

    assert lifecycle.ensure_running(NAME, "f", lost).job_id in cluster.jobs


@pytest.mark.parametrize("error", [SubmitFailed, SubmitRejected])
def test_a_submission_that_failed_is_reported(lifecycle: Lifecycle, error: type[Exception]) -> None:
    def fails(_restore_path: str | None, _job_id: str) -> str:
        raise error("why")

    with pytest.raises(error, match="why"):
        lifecycle.ensure_running(NAME, "f", fails)


def test_stop_with_savepoint(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RUNNING")
    assert lifecycle.stop(NAME) == Stopped("a", f"file:{cluster.folder}/sp")
    assert cluster.calls == [f"stop a to file://{cluster.folder}/savepoints"]


def test_stop_of_nothing(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "FINISHED")
    assert lifecycle.stop(NAME) is None


@pytest.mark.parametrize(
    ("state", "savepoint", "reason"),
    [
        ("RUNNING", "bad", "E: disk full"),
        ("RUNNING", "slow", "savepoint of job a is not complete after 0.3 s"),
        ("RESTARTING", "good", "the job was RESTARTING"),
    ],
)
def test_without_a_savepoint_it_is_cancelled(
    cluster: Cluster, lifecycle: Lifecycle, state: str, savepoint: str, reason: str
) -> None:
    cluster.add("a", state)
    cluster.savepoint = savepoint
    assert lifecycle.stop(NAME) == Stopped("a", None, reason)
    assert cluster.calls[-1] == "cancel a"


@pytest.mark.parametrize("savepoint", ["good", "bad"])
def test_stop_never_claims_success_for_a_job_that_lives(cluster: Cluster, lifecycle: Lifecycle, savepoint: str) -> None:
    cluster.add("a", "RUNNING")
    cluster.savepoint, cluster.ends = savepoint, False
    with pytest.raises(FlinkTimeout, match="job a has not ended"):
        lifecycle.stop(NAME)


def test_stop_ends_every_job_of_the_name(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RUNNING")
    cluster.add("b", "RESTARTING")
    assert lifecycle.stop(NAME) is not None
    assert [job.states for job in cluster.jobs.values()] == [["FINISHED"], ["CANCELED"]]
