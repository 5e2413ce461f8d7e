"""A job under the Kubernetes operator, told and steered as one of a session cluster; operator and API are played."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestration.errors import Pi3Error
from orchestration.flink.deployment import LAST_STATE, Deployment
from orchestration.flink.errors import FlinkConflict, FlinkNotFound, FlinkRejected, FlinkTimeout, FlinkUnreachable
from orchestration.flink.identity import Claim
from orchestration.flink.kubernetes import CustomResource
from orchestration.flink.lifecycle import Ensured, Lifecycle, Stopped
from orchestration.flink.operator import OperatedClient, Run
from tests.fixtures.flink_operator import PATH, SAVEPOINT, Operator
from tests.fixtures.flink_rest import Reply, RestDouble, serving

NAME = "splitpay-events"
JOB = "a" * 32


@pytest.fixture
def operator() -> Operator:
    """A resource that was just applied."""
    return Operator()


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """What a pod is given of its service account."""
    (tmp_path / "token").write_text("secret-token\n")
    return tmp_path


@pytest.fixture
def client(operator: Operator, account: Path) -> Iterator[OperatedClient]:
    """The client under test."""
    with serving(RestDouble(operator.route)) as double:
        yield OperatedClient(CustomResource(PATH, double.url, account), double.url)


@dataclass
class Launcher:
    """Submits as the control plane does: a new lease each time."""

    client: OperatedClient
    fingerprint: str = "f1"
    epoch: int = 0
    restored: list[str | None] = field(default_factory=list)

    def __call__(self, restore_path: str | None, job_id: str) -> str:
        self.epoch += 1
        self.restored.append(restore_path)
        return self.client.submit(Run(job_id, self.epoch, self.fingerprint, 4, restore_path))


def lifecycle(client: OperatedClient, folder: Path) -> Lifecycle:
    """The same steps as for a session cluster, in a hurry."""
    return Lifecycle(client, f"file://{folder}", 0.5, 0.5, poll_s=0.01)


def run(client: OperatedClient, **changes: Any) -> str:  # noqa: ANN401 - fields of a run
    """Submit one."""
    return client.submit(Run(**{"job_id": JOB, "epoch": 1, "fingerprint": "f1", "parallelism": 4, **changes}))


def test_the_lifecycle_of_a_session_job_drives_an_operated_one(
    operator: Operator, client: OperatedClient, tmp_path: Path
) -> None:
    steps, launcher = lifecycle(client, tmp_path), Launcher(client)
    first = steps.ensure_running(Claim(NAME, "f1"), launcher)
    assert first.action == "submitted"
    adopted = steps.ensure_running(Claim(NAME, "f1", first.job_id, 1), launcher)
    assert adopted == Ensured(first.job_id, "adopted")
    assert steps.stop(NAME) == Stopped(first.job_id, SAVEPOINT)
    assert client.active_jobs(NAME) == ()
    second = steps.start_from(Claim(NAME, "f1", first.job_id, 1), launcher, SAVEPOINT)
    assert second.job_id != first.job_id
    client.deployment()
    assert [run.restored_from for run in operator.started] == [None, SAVEPOINT]


def test_another_fingerprint_stops_with_a_savepoint_first(client: OperatedClient, tmp_path: Path) -> None:
    steps, launcher = lifecycle(client, tmp_path), Launcher(client)
    old = steps.ensure_running(Claim(NAME, "f1"), launcher)
    launcher.fingerprint = "f2"
    new = steps.ensure_running(Claim(NAME, "f2", old.job_id, 1), launcher)
    assert new.job_id != old.job_id
    assert client.job_parameters(new.job_id) == {"fingerprint": "f2"}
    assert client.deployment().savepoint == SAVEPOINT


def test_each_submission_carries_its_lease_once(operator: Operator, client: OperatedClient) -> None:
    given = list(operator.resource["spec"]["job"]["args"])
    for epoch in (1, 2):
        run(client, epoch=epoch, job_id=str(epoch) * 32)
        assert operator.resource["spec"]["job"]["args"] == [*given, "--writer-epoch", str(epoch)]
        client.deployment()
        client.cancel(str(epoch) * 32)
        client.deployment()
    assert client.deployment().epoch == 2


def test_of_two_launchers_one_gets_a_conflict(
    operator: Operator, client: OperatedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, seen = client.deployment, [client.deployment()]
    run(client, epoch=1)
    monkeypatch.setattr(client, "deployment", lambda: seen.pop() if seen else now())
    with pytest.raises(FlinkConflict, match="somebody else has changed it meanwhile"):
        run(client, epoch=2, job_id="b" * 32)
    assert operator.resource["spec"]["flinkConfiguration"]["$internal.pipeline.job-id"] == JOB


def test_an_operator_that_never_rests_is_a_conflict_in_the_end(
    operator: Operator, client: OperatedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = client.deployment()
    monkeypatch.setattr(client, "deployment", lambda: seen)
    operator.resource["metadata"]["resourceVersion"] = "99"
    with pytest.raises(FlinkConflict):
        run(client)
    assert len(operator.patches) == 5


def test_an_older_lease_is_refused(operator: Operator, client: OperatedClient) -> None:
    operator.resource["metadata"]["annotations"] = {"pi3/writer-epoch": "7"}
    with pytest.raises(FlinkConflict, match="was submitted with lease 7, and 7 is none later"):
        run(client, epoch=7)
    assert operator.patches == []


def test_a_running_job_is_not_submitted_over(client: OperatedClient) -> None:
    run(client)
    with pytest.raises(FlinkRejected, match=f"runs as {JOB}: stop it before"):
        run(client, epoch=2, job_id="b" * 32)


@pytest.mark.parametrize("restore_path", [None, "s3://state/savepoint-9"])
def test_a_run_resumes_from_what_is_named_and_from_nothing_else(
    restore_path: str | None, operator: Operator, client: OperatedClient
) -> None:
    run(client, epoch=1, restore_path="s3://state/savepoint-1")
    client.deployment()
    client.stop_with_savepoint(JOB, "")
    client.deployment()
    run(client, epoch=3, job_id="b" * 32, restore_path=restore_path)
    client.deployment()
    assert [(run.epoch, run.restored_from) for run in operator.started] == [
        (1, "s3://state/savepoint-1"),
        (3, restore_path),
    ]


def test_a_run_mounts_the_spec_that_is_its_own(operator: Operator, client: OperatedClient) -> None:
    before = client.deployment()
    run(client, epoch=1, spec_map="splitpay-events-spec-1")
    now = Deployment.from_json(operator.resource)
    assert (before.spec_map, now.spec_map) == ("splitpay-events-spec", "splitpay-events-spec-1")
    assert [volume["name"] for volume in now.volumes] == ["spec", "writer", "password"]
    assert operator.patches[-1]["spec"].keys() == {"flinkConfiguration", "job", "jobManager"}


def test_of_a_job_whose_cluster_is_gone_the_operator_knows_the_failure(
    operator: Operator, client: OperatedClient
) -> None:
    run(client)
    operator.jobmanager_answers = False
    with pytest.raises(FlinkUnreachable):
        client.exceptions(JOB)
    operator.resource["status"]["error"] = "no image"
    assert [failure.message for failure in client.exceptions(JOB)] == ["no image"]


def test_what_was_asked_for_counts_before_the_operator_has_looked(client: OperatedClient) -> None:
    run(client)
    deployment = client.deployment()
    assert deployment.job is not None
    assert (deployment.job.id, deployment.job.state, deployment.observed) == (JOB, "INITIALIZING", False)


def test_a_job_too_ill_for_a_savepoint_is_suspended_all_the_same(
    operator: Operator, client: OperatedClient, tmp_path: Path
) -> None:
    operator.takes_savepoints = False
    steps = lifecycle(client, tmp_path)
    job_id = steps.ensure_running(Claim(NAME, "f1"), Launcher(client)).job_id
    stopped = steps.stop(NAME)
    assert stopped is not None
    assert (stopped.job_id, stopped.savepoint_path) == (job_id, None)
    assert operator.resource["status"]["jobStatus"]["upgradeSavepointPath"] == LAST_STATE


def test_a_job_is_not_healthy_while_its_jobmanager_is_silent(
    operator: Operator, client: OperatedClient, tmp_path: Path
) -> None:
    operator.jobmanager_answers = False
    with pytest.raises(FlinkTimeout, match="does not run with all its tasks"):
        lifecycle(client, tmp_path).ensure_running(Claim(NAME, "f1"), Launcher(client))
    assert [(job.state, job.tasks_total) for job in client.jobs()] == [("RUNNING", 0)]


def test_only_the_job_that_runs_can_be_stopped(client: OperatedClient) -> None:
    for act in (client.cancel, client.job, lambda job_id: client.stop_with_savepoint(job_id, "")):
        with pytest.raises(FlinkNotFound, match="no job bb"):
            act("bb")
    with pytest.raises(FlinkRejected, match="does not drain"):
        client.stop_with_savepoint(JOB, "", drain=True)


@pytest.mark.parametrize(
    ("told", "lifecycle_state", "state"),
    [
        ("RECONCILING", "DEPLOYED", "INITIALIZING"),
        (None, "UPGRADING", "INITIALIZING"),
        ("RUNNING", "STABLE", "RUNNING"),
        ("RESTARTING", "DEPLOYED", "RESTARTING"),
        ("CANCELLING", "UPGRADING", "CANCELLING"),
        ("FINISHED", "SUSPENDED", "FINISHED"),
        ("RECONCILING", "SUSPENDED", "CANCELED"),
        ("RECONCILING", "FAILED", "FAILED"),
    ],
)
def test_states_are_told_in_flinks_words(
    operator: Operator, told: str | None, lifecycle_state: str, state: str
) -> None:
    status = {"jobStatus": {"jobId": JOB, "state": told}, "lifecycleState": lifecycle_state}
    job = Deployment.from_json({**operator.resource, "status": status}).job
    assert job is not None
    assert job.state == state


@pytest.mark.parametrize(
    ("reply", "error", "message"),
    [
        ((401, {"message": "Unauthorized"}), FlinkRejected, "401: Unauthorized; see the Role in"),
        ((403, {"message": "cannot get"}), FlinkRejected, "403: cannot get; see the Role in"),
        ((404, {"message": "not found"}), FlinkNotFound, "404: not found"),
        ((422, {"message": "spec.job.state: invalid"}), FlinkRejected, "422: spec.job.state: invalid"),
        ((429, {"message": "slow down"}), FlinkUnreachable, "429: slow down; try again"),
        ((500, "no json"), FlinkUnreachable, "500: Internal Server Error; try again"),
        ((200, "<html>"), FlinkRejected, "is not JSON"),
    ],
)
def test_refusals_say_what_to_do(reply: Reply, error: type[Pi3Error], message: str, account: Path) -> None:
    with (
        serving(RestDouble(lambda *_: reply)) as double,
        pytest.raises(error, match=message) as caught,
    ):
        CustomResource(PATH, double.url, account).read()
    assert "secret-token" not in str(caught.value)


def test_a_pod_without_a_token_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(FlinkRejected, match="a pod needs a service account's token"):
        CustomResource(PATH, "http://127.0.0.1:9", tmp_path).read()


def test_an_api_that_is_away_can_be_tried_again(account: Path) -> None:
    with pytest.raises(FlinkUnreachable, match="no answer from"):
        CustomResource(PATH, "http://127.0.0.1:9", account).read()
