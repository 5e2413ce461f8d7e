"""Starting and stopping the one job of a name, against a cluster that is played by an HTTP server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

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
from orchestration.flink.identity import Claim
from orchestration.flink.lifecycle import Ensured, Lifecycle, Stopped
from tests.fixtures.flink_cluster import NAME, Cluster
from tests.fixtures.flink_rest import RestDouble, serving

CLAIM = Claim(NAME, "f")


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
    ensured = lifecycle.ensure_running(CLAIM, submitter)
    assert ensured == Ensured(next(iter(cluster.jobs)), "submitted", None)
    assert submitter.restored == [None]


def test_it_is_submitted_from_the_newest_checkpoint(cluster: Cluster, lifecycle: Lifecycle) -> None:
    checkpoint(cluster, "chk-1", 100)
    newest = checkpoint(cluster, "chk-2", 200)
    assert lifecycle.ensure_running(CLAIM, Submitter(cluster)).restored_from == newest


def test_a_running_job_is_adopted(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RUNNING")
    submitter = Submitter(cluster)
    assert lifecycle.ensure_running(CLAIM, submitter) == Ensured("a", "adopted")
    assert submitter.restored == []


def test_a_restarting_job_is_adopted_once_it_runs(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RESTARTING", "RESTARTING", "RUNNING")
    assert lifecycle.ensure_running(CLAIM, Submitter(cluster)).action == "adopted"


def test_a_job_that_never_runs_is_reported_with_its_failure(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RESTARTING")
    with pytest.raises(FlinkTimeout, match=r"does not run with all its tasks after 0\.3 s.*out of luck"):
        lifecycle.ensure_running(CLAIM, Submitter(cluster))


def test_a_job_that_fails_as_it_starts_is_reported(cluster: Cluster, lifecycle: Lifecycle) -> None:
    with pytest.raises(FlinkRejected, match="is FAILED: E: out of luck"):
        lifecycle.ensure_running(CLAIM, Submitter(cluster, ("INITIALIZING", "FAILED")))


def test_a_job_of_another_definition_is_replaced(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RUNNING", fingerprint="old")
    ensured = lifecycle.ensure_running(CLAIM, Submitter(cluster))
    assert ensured.action == "submitted"
    assert cluster.calls == [f"stop a to file://{cluster.folder}/savepoints"]
    assert cluster.jobs["a"].states == ["FINISHED"]


def test_nothing_is_submitted_while_the_old_job_lives_on(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RUNNING", fingerprint="old")
    cluster.ends = False
    submitter = Submitter(cluster)
    with pytest.raises(FlinkTimeout, match="job a has not ended"):
        lifecycle.ensure_running(CLAIM, submitter)
    assert submitter.restored == []


def test_an_ending_job_is_waited_for(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "CANCELLING", "CANCELLING", "CANCELED")
    assert lifecycle.ensure_running(CLAIM, Submitter(cluster)).action == "submitted"


def test_two_running_jobs_are_left_to_people(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RUNNING")
    cluster.add("b", "RUNNING")
    with pytest.raises(AmbiguousJob, match=r"2 jobs named ours run \(a, b\)"):
        lifecycle.ensure_running(CLAIM, Submitter(cluster))
    assert cluster.calls == []


def test_what_runs_without_the_lease_is_cancelled(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RUNNING")
    cluster.add("b", "RUNNING")
    ensured = lifecycle.ensure_running(Claim(NAME, "f", holder="b", epoch=2), Submitter(cluster))
    assert ensured == Ensured("b", "adopted")
    assert cluster.calls == ["cancel a"]


def test_an_orphan_makes_room_for_a_new_holder(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RUNNING")
    ensured = lifecycle.ensure_running(Claim(NAME, "f", holder="gone", epoch=2), Submitter(cluster))
    assert (ensured.action, cluster.calls) == ("submitted", ["cancel a"])


def test_restore_points_before_a_reset_are_left_alone(cluster: Cluster, lifecycle: Lifecycle) -> None:
    checkpoint(cluster, "chk-1", 100)
    submitter = Submitter(cluster)
    lifecycle.ensure_running(CLAIM, submitter, datetime.fromtimestamp(100, tz=timezone.utc))
    assert submitter.restored == [None]


def test_a_start_from_one_point_looks_at_no_other(cluster: Cluster, lifecycle: Lifecycle) -> None:
    checkpoint(cluster, "chk-9", 900)
    assert lifecycle.start_from(CLAIM, Submitter(cluster), "file:///sp").restored_from == "file:///sp"


@pytest.mark.parametrize(("savepoint", "complaint"), [("bad", "took no savepoint: E: disk full"), ("slow", "complete")])
def test_a_savepoint_that_fails_is_told(cluster: Cluster, lifecycle: Lifecycle, savepoint: str, complaint: str) -> None:
    cluster.add("a", "RUNNING")
    cluster.savepoint = savepoint
    with pytest.raises((FlinkRejected, FlinkTimeout), match=complaint):
        lifecycle.savepoint("a")


def test_a_savepoint_leaves_the_job_running(cluster: Cluster, lifecycle: Lifecycle) -> None:
    cluster.add("a", "RUNNING")
    assert lifecycle.savepoint("a") == f"file:{cluster.folder}/sp"
    assert cluster.jobs["a"].states == ["RUNNING"]


def test_an_unreadable_checkpoint_is_passed_over(cluster: Cluster, lifecycle: Lifecycle) -> None:
    older, newest = checkpoint(cluster, "chk-1", 100), checkpoint(cluster, "chk-2", 200)
    submitter = Submitter(cluster, unreadable=(newest,))
    ensured = lifecycle.ensure_running(CLAIM, submitter)
    assert (ensured.restored_from, ensured.unreadable) == (older, (newest,))


def test_it_never_starts_afresh_when_no_checkpoint_can_be_read(cluster: Cluster, lifecycle: Lifecycle) -> None:
    points = (checkpoint(cluster, "chk-1", 100), checkpoint(cluster, "chk-2", 200))
    submitter = Submitter(cluster, unreadable=points)
    with pytest.raises(RestoreFailed, match="chk-1"):
        lifecycle.ensure_running(CLAIM, submitter)
    assert submitter.restored == [points[1], points[0]]


def test_a_submission_whose_answer_was_lost_counts(cluster: Cluster, lifecycle: Lifecycle) -> None:
    def lost(restore_path: str | None, job_id: str) -> str:
        Submitter(cluster)(restore_path, job_id)
        raise SubmitFailed("no end within 1 s")

    assert lifecycle.ensure_running(CLAIM, lost).job_id in cluster.jobs


@pytest.mark.parametrize("error", [SubmitFailed, SubmitRejected])
def test_a_submission_that_failed_is_reported(lifecycle: Lifecycle, error: type[Exception]) -> None:
    def fails(_restore_path: str | None, _job_id: str) -> str:
        raise error("why")

    with pytest.raises(error, match="why"):
        lifecycle.ensure_running(CLAIM, fails)


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
