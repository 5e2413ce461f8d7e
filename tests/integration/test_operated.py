"""The stream under Flink's operator, by the same verbs as on a session cluster.

Postgres is real. Kubernetes' API and the operator are played: each change must satisfy the schemas, needs the version
that it was decided upon, and is carried out a step a look.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from orchestration.defs.resources import resources
from orchestration.errors import ConfigurationError, TransientError
from orchestration.flink.errors import FlinkConflict
from orchestration.flink.operator import OperatedClient
from orchestration.flink.restore import as_listed
from orchestration.health.facts import FlinkFacts, JobFacts
from orchestration.health.read_flink import read_flink
from orchestration.lifecycle import upgrade
from orchestration.lifecycle.operated import LIB_DIR, PASSWORD_FILE, SPEC_DIR
from orchestration.lifecycle.replay import Replay
from orchestration.lifecycle.retention import prune
from orchestration.lifecycle.upgrade import UpgradeRolledBack
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.resources.topics import OffsetRange, TopicSpec
from orchestration.settings import Settings
from orchestration.streaming_job import StreamingJob, current_version
from tests.fixtures.flink_cluster import Killed
from tests.fixtures.flink_operator import Operator
from tests.fixtures.flink_rest import RestDouble, serving
from tests.fixtures.kubernetes import one, rendered
from tests.fixtures.launches import changed, ended_at, launched_at_once


@dataclass
class Scene:
    """A stream, and the operator that runs it."""

    operator: Operator
    stream: StreamingJob

    def ended_at(self, step: int) -> StreamingJob:
        """See `tests.fixtures.launches`."""
        return ended_at(self.stream, step)

    def changed(self) -> StreamingJob:
        """See `tests.fixtures.launches`."""
        return changed(self.stream)

    def assert_one_writer(self) -> None:
        """What runs holds the lease, and does what its lease was taken for."""
        known, run = self.stream.record(), self.operator.started[-1]
        job = self.operator.resource["spec"]["job"]
        assert (job["state"], run.job_id, run.epoch) == ("running", known.job_id, known.epoch)
        assert run.spec is not None
        assert run.spec.fingerprint == known.fingerprint
        kept = self.stream.version()
        assert (run.definition, job["parallelism"]) == (kept.definition, kept.parallelism)
        epochs = [run.epoch for run in self.operator.started]
        assert epochs == sorted(set(epochs)), "each run has a lease of its own"


@pytest.fixture
def scene(
    settings: Settings,
    migrated: PostgresResource,
    kafka: KafkaResource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Scene]:
    operator = Operator(name=f"test-{secrets.token_hex(4)}", savepoints=tmp_path / "state" / "savepoints")
    (tmp_path / "token").write_text("secret-token")
    monkeypatch.setattr(upgrade.Trial, "verify", lambda _: None)
    with serving(RestDouble(operator.route)) as double:
        own = {
            "flink_backend": "kubernetes",
            "kubernetes_url": double.url,
            "kubernetes_account_dir": tmp_path,
            "flink_rest_url": double.url,
            "flink_job_name": operator.name,
            "flink_state_uri": f"file://{tmp_path}/state",
            "stack_dir": tmp_path,
        }
        changed = settings.model_copy(update=own)
        flink = replace(resources(changed)["flink"], start_timeout_s=5.0, stop_timeout_s=5.0)
        yield Scene(operator, StreamingJob(changed, flink, kafka, migrated))


def test_a_launch_hands_over_all_that_the_job_is(scene: Scene) -> None:
    ensured = scene.stream.ensure_running()
    (run,) = scene.operator.started
    assert (ensured.action, run.job_id, run.restored_from) == ("submitted", ensured.job_id, None)
    scene.assert_one_writer()
    assert run.spec is not None
    pod = one(rendered("base"), "FlinkDeployment")["spec"]["jobManager"]["podTemplate"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts == {"spec": SPEC_DIR, "password": str(Path(PASSWORD_FILE).parent)}
    assert (run.spec.password_file, run.spec.client_lib_dir) == (PASSWORD_FILE, LIB_DIR)
    assert (run.spec.rest_address, run.spec.client_java_home) == (None, None)
    (kept,) = scene.operator.maps.values()
    assert (kept["immutable"], kept["metadata"]["ownerReferences"][0]["name"]) == (True, scene.operator.name)
    password = scene.stream.settings.postgres_writer_password.get_secret_value()
    assert password
    assert password not in str((kept, scene.operator.patches))


def test_a_launch_is_adopted_by_the_next(scene: Scene) -> None:
    first, second = scene.stream.ensure_running(), scene.stream.ensure_running()
    assert (second.action, second.job_id) == ("adopted", first.job_id)
    assert len(scene.operator.started) == 1


def test_launches_at_once_end_with_one_job(scene: Scene) -> None:
    found = launched_at_once(scene.stream)
    assert len(found) == 4
    assert len(set(found)) == len(scene.operator.started) == 1


@pytest.mark.parametrize("before", ["nothing", "the same version", "another version"])
@pytest.mark.parametrize("step", range(8))
def test_wherever_a_launcher_dies_the_next_one_ends_with_one_job(scene: Scene, before: str, step: int) -> None:
    if before != "nothing":
        (scene.changed() if before == "another version" else scene.stream).ensure_running()
    with suppress(Killed):
        scene.ended_at(step).ensure_running()
    scene.stream.ensure_running()
    scene.assert_one_writer()


@pytest.mark.parametrize("lost", range(6))
def test_whichever_answer_is_lost_the_next_launch_ends_with_one_job(scene: Scene, lost: int) -> None:
    scene.operator.lost_answers = {lost}
    for stream in (scene.stream, scene.changed(), scene.changed()):
        with suppress(TransientError, UpgradeRolledBack):
            stream.ensure_running()
    scene.operator.lost_answers.clear()
    scene.changed().ensure_running()
    scene.assert_one_writer()
    assert scene.stream.record().fingerprint == current_version(scene.changed().settings).fingerprint


def test_a_launch_that_somebody_else_was_faster_than_leaves_nothing_behind(scene: Scene) -> None:
    scene.operator.resource["metadata"]["annotations"] = {"pi3/writer-epoch": "7"}
    with pytest.raises(FlinkConflict, match="was submitted with lease 7, and 1 is none later"):
        scene.stream.ensure_running()
    assert (scene.operator.maps, scene.operator.started) == ({}, [])


def test_a_stop_is_remembered_and_a_start_resumes_from_its_savepoint(scene: Scene) -> None:
    scene.stream.ensure_running()
    stopped = scene.stream.stop()
    assert stopped is not None
    assert stopped.savepoint_path is not None
    assert scene.stream.recover() is None
    assert scene.stream.flink.client.active_jobs(scene.stream.name) == ()
    resumed = scene.stream.ensure_running()
    assert resumed.restored_from == scene.operator.started[-1].restored_from == as_listed(stopped.savepoint_path)
    scene.assert_one_writer()
    assert list(scene.operator.maps) == [f"{scene.operator.name}-spec-2"], "the first run's is gone with the run"


def test_a_job_that_somebody_else_suspends_is_brought_back_as_it_was(scene: Scene) -> None:
    first = scene.stream.ensure_running()
    scene.stream.flink.cancel(first.job_id)
    again = scene.changed().recover()
    assert again is not None
    assert again.job_id != first.job_id
    scene.assert_one_writer()
    assert scene.stream.record().fingerprint == current_version(scene.stream.settings).fingerprint


def test_an_upgrade_goes_by_a_savepoint(scene: Scene) -> None:
    scene.stream.ensure_running()
    upgraded = scene.changed().ensure_running()
    assert upgraded.restored_from is not None
    assert [run.restored_from for run in scene.operator.started] == [None, upgraded.restored_from]
    scene.assert_one_writer()


def test_a_version_that_fails_is_rolled_back_to_the_same_savepoint(scene: Scene) -> None:
    scene.stream.ensure_running()
    changed = scene.changed()
    scene.operator.refused.add(current_version(changed.settings).fingerprint)
    with pytest.raises(UpgradeRolledBack, match=r"runs again from the same savepoint: .*out of luck"):
        changed.ensure_running()
    first, refused, back = scene.operator.started
    assert (back.definition, refused.definition == first.definition) == (first.definition, False)
    assert as_listed(str(back.restored_from)) == refused.restored_from
    scene.assert_one_writer()


def test_a_rescale_needs_no_free_slots(scene: Scene) -> None:
    scene.stream.ensure_running()
    assert scene.stream.rescale(64) is not None
    assert scene.operator.resource["spec"]["job"]["parallelism"] == 64
    scene.assert_one_writer()


def test_a_savepoint_is_taken_while_the_job_goes_on_and_old_ones_are_deleted(scene: Scene) -> None:
    scene.stream.ensure_running()
    path = scene.stream.savepoint()
    assert Path(path.removeprefix("file:"), "_metadata").exists()
    assert len(scene.operator.started) == 1
    assert prune(scene.stream).total == 0


def test_a_reset_starts_from_its_offsets_and_from_nothing_that_the_operator_remembers(
    scene: Scene, topic_name: str
) -> None:
    scene.stream.kafka.ensure_topic(TopicSpec(topic_name, 1, 1, 3_600_000))
    own = {"kafka_topic": topic_name, "kafka_consumer_group": topic_name}
    scene.stream = replace(scene.stream, settings=scene.stream.settings.model_copy(update=own))
    scene.stream.ensure_running()
    scene.stream.reset("earliest")
    run = scene.operator.started[-1]
    assert run.spec is not None
    assert (run.restored_from, run.spec.start_offsets) == (None, {0: 0})
    assert scene.operator.resource["status"]["jobStatus"]["upgradeSavepointPath"], "though it remembers one"
    scene.assert_one_writer()


def test_a_replay_says_why_it_cannot(scene: Scene) -> None:
    with pytest.raises(ConfigurationError, match="PI3_FLINK_BACKEND is kubernetes: reset the stream"):
        Replay(scene.stream, "replay.x", {0: OffsetRange(0, 1)}).run()


def test_the_health_of_a_suspended_job_is_known(scene: Scene) -> None:
    client, name = scene.stream.flink.client, scene.stream.name
    assert read_flink(client, name) == FlinkFacts(0)
    scene.stream.ensure_running()
    scene.stream.stop()
    assert isinstance(client, OperatedClient)
    gone = OperatedClient(client.resource, "http://127.0.0.1:9")
    found = read_flink(gone, name)
    assert isinstance(found.job, JobFacts)
    assert (found.active, found.job.state) == (0, "FINISHED")
