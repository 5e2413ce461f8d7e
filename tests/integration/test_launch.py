"""Launch or adopt: whoever launches, however often, and wherever it is cut off, one job runs and holds the lease.

Postgres is real, the cluster is played, so that every step of every path can be the last one; the acceptance tests kill
real launchers of real jobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from flink_jobs.spec import JobSpec
from orchestration.errors import ConfigurationError, TransientError
from orchestration.lifecycle import record, submission, upgrade
from orchestration.lifecycle.upgrade import UpgradeRolledBack
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import Settings
from orchestration.streaming_job import StreamingJob, current_version
from tests.fixtures.flink_cluster import Cluster, Killed, played_stream
from tests.fixtures.launches import changed, ended_at, launched_at_once


@dataclass
class Scene:
    """A stream on a played cluster; `most` is the largest number of jobs that could write at one moment."""

    cluster: Cluster
    stream: StreamingJob
    most: int = 0
    submitted: list[JobSpec] = field(default_factory=list)
    refused_versions: set[str] = field(default_factory=set)

    def submit(self, argv: tuple[str, ...], *_: object) -> str:
        """What the submitting program does: a job appears on the cluster."""
        spec = JobSpec.read(Path(argv[-1]))
        self.submitted.append(spec)
        state = "FAILED" if spec.fingerprint in self.refused_versions else "RUNNING"
        job_id = self.cluster.accept(spec, "CREATED", state)
        self.most = max(self.most, len(self.writers()))
        return job_id

    def active(self) -> list[str]:
        return self.cluster.active()

    def writers(self) -> list[str]:
        """Active jobs whose rows Postgres would take."""
        known = self.stream.record()
        epochs = {spec.job_id: spec.writer_epoch for spec in self.submitted}
        return [job for job in self.active() if epochs.get(job) == known.epoch]

    def ended_at(self, step: int) -> StreamingJob:
        """See `tests.fixtures.launches`."""
        return ended_at(self.stream, step)

    def changed(self) -> StreamingJob:
        """See `tests.fixtures.launches`."""
        return changed(self.stream)


@pytest.fixture
def scene(
    settings: Settings,
    migrated: PostgresResource,
    kafka: KafkaResource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Scene]:
    with played_stream(settings, kafka, migrated, tmp_path, upgrade_limit_s=1) as (cluster, stream):
        found = Scene(cluster, stream)
        monkeypatch.setattr(submission, "submit", found.submit)
        monkeypatch.setattr(upgrade.Trial, "verify", lambda _: None)
        yield found


def test_a_launch_is_adopted_by_the_next(scene: Scene) -> None:
    first, second = scene.stream.ensure_running(), scene.stream.ensure_running()
    assert (first.action, second.action) == ("submitted", "adopted")
    assert first.job_id == second.job_id == scene.stream.record().job_id
    assert scene.writers() == [first.job_id]


def test_two_launches_at_once_end_with_one_job(scene: Scene) -> None:
    found = launched_at_once(scene.stream)
    assert len(found) == 4
    assert len(set(found)) == len(scene.submitted) == scene.most == 1


@pytest.mark.parametrize("before", ["nothing", "the same version", "another version", "an orphan"])
@pytest.mark.parametrize("step", range(8))
def test_wherever_a_launcher_dies_the_next_one_ends_with_one_job(scene: Scene, before: str, step: int) -> None:
    if before != "nothing":
        (scene.changed() if before == "another version" else scene.stream).ensure_running()
    if before == "an orphan":
        version = current_version(scene.stream.settings)
        record.take_lease(scene.stream.postgres, scene.stream.name, "0" * 32, version, None)
    with suppress(Killed):
        scene.ended_at(step).ensure_running()
    ensured = scene.stream.ensure_running()
    assert scene.active() == scene.writers() == [ensured.job_id]
    assert scene.stream.record().job_id == ensured.job_id
    assert scene.most == 1


def test_a_submitter_that_outlives_its_launcher_is_waited_for(scene: Scene) -> None:
    """The program inherits the lock's file, so the next launcher sees the job that it submits."""
    import subprocess

    from orchestration.lifecycle.locks import exclusive

    run_dir, name = scene.stream.settings.run_dir, scene.stream.name
    with exclusive(scene.stream.postgres, name, run_dir) as lock:
        orphan = subprocess.Popen(("sleep", "1.5"), pass_fds=(lock,))
    named = rf"does not end\. .*kill -9 {orphan.pid}\)"
    with pytest.raises(TransientError, match=named), exclusive(scene.stream.postgres, name, run_dir, 0.2):
        pytest.fail("two at once")
    with exclusive(scene.stream.postgres, name, run_dir, 10):
        assert orphan.wait(0.5) == 0


def test_a_stop_is_remembered_and_a_recovery_respects_it(scene: Scene) -> None:
    scene.stream.ensure_running()
    stopped = scene.stream.stop()
    assert stopped is not None
    assert scene.stream.record().desired == "stopped"
    assert scene.stream.recover() is None
    assert scene.active() == []
    assert scene.stream.ensure_running().action == "submitted"
    assert scene.stream.record().desired == "running"


@pytest.mark.parametrize("step", range(2))
def test_wherever_a_stop_dies_the_job_is_not_wanted_any_more(scene: Scene, step: int) -> None:
    scene.stream.ensure_running()
    with pytest.raises(Killed):
        scene.ended_at(step).stop()
    assert scene.stream.recover() is None or step == 0
    scene.stream.stop()
    assert (scene.active(), scene.stream.record().desired) == ([], "stopped")


def test_a_recovery_runs_what_ran_before_not_what_the_code_says_now(scene: Scene) -> None:
    first = scene.stream.ensure_running()
    scene.cluster.jobs.clear()
    again = scene.changed().recover()
    assert again is not None
    assert again.job_id != first.job_id
    assert [spec.fingerprint for spec in scene.submitted] == [current_version(scene.stream.settings).fingerprint] * 2
    assert [spec.writer_epoch for spec in scene.submitted] == [1, 2]


def test_an_upgrade_replaces_the_job_and_is_kept(scene: Scene) -> None:
    scene.stream.ensure_running()
    changed = scene.changed()
    upgraded = changed.ensure_running()
    assert scene.active() == [upgraded.job_id]
    kept = record.version(changed.postgres, changed.name, current_version(changed.settings).fingerprint)
    assert kept is not None
    assert kept.verified


def test_a_version_that_fails_is_rolled_back_to_the_same_savepoint(scene: Scene) -> None:
    scene.stream.ensure_running()
    changed = scene.changed()
    scene.refused_versions.add(current_version(changed.settings).fingerprint)
    with pytest.raises(UpgradeRolledBack, match=r"runs again from the same savepoint: .*out of luck"):
        changed.ensure_running()
    good = current_version(scene.stream.settings).fingerprint
    first, refused, back = scene.submitted
    assert (first.fingerprint, back.fingerprint) == (good, good)
    assert refused.fingerprint != good
    assert back.restore_path == f"file:{scene.cluster.folder}/sp"
    assert scene.active() == scene.writers() == [back.job_id]


def test_a_version_that_does_not_prove_itself_is_rolled_back(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> None:
        raise ConfigurationError("3 records that should have landed did not within 1 s")

    scene.stream.ensure_running()
    rejected = scene.cluster.folder / "checkpoints"
    monkeypatch.setattr(upgrade.Trial, "verify", missing)
    with pytest.raises(UpgradeRolledBack, match="3 records that should have landed did not"):
        scene.changed().ensure_running()
    assert scene.submitted[-1].fingerprint == current_version(scene.stream.settings).fingerprint
    assert not list(rejected.glob(f"{scene.submitted[-2].job_id}/*"))
    assert len(scene.writers()) == 1


def test_a_reset_starts_from_its_offsets_until_there_is_a_younger_point(scene: Scene) -> None:
    from datetime import datetime, timezone

    old = scene.cluster.folder / "checkpoints" / ("a" * 32) / "chk-1" / "_metadata"
    old.parent.mkdir(parents=True)
    old.touch()
    record.set_reset(scene.stream.postgres, scene.stream.name, datetime.now(timezone.utc), {0: 5, 1: 0})
    scene.stream.ensure_running()
    scene.cluster.jobs.clear()
    scene.stream.recover()
    assert [(spec.restore_path, spec.start_offsets) for spec in scene.submitted] == [(None, {0: 5, 1: 0})] * 2
    young = old.parent.with_name("chk-2")
    young.mkdir()
    (young / "_metadata").touch()
    scene.cluster.jobs.clear()
    scene.stream.recover()
    assert (scene.submitted[-1].restore_path, scene.submitted[-1].start_offsets) == (f"file://{young}", None)


def test_a_missing_jar_is_found_before_anything_is_asked(scene: Scene, tmp_path: Path) -> None:
    settings = scene.stream.settings.model_copy(update={"flink_lib_dir": tmp_path})
    with pytest.raises(ConfigurationError, match="lacks flink-sql-connector-kafka"):
        replace(scene.stream, settings=settings).ensure_running()
    assert record.read(scene.stream.postgres, scene.stream.name) is None
