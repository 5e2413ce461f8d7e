"""Self-heal tick by tick: Postgres is real, the cluster is played, and what is submitted appears on it."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import dagster as dg
import pytest

from flink_jobs.spec import JobSpec
from orchestration.defs import heal
from orchestration.errors import TransientError
from orchestration.flink.errors import RestoreFailed, SubmitFailed
from orchestration.flink.resource import FlinkResource
from orchestration.lifecycle import record, recovery, retention, session, submission
from orchestration.lifecycle.heal import LONGEST_ORPHAN_S, Limits
from orchestration.lifecycle.locks import exclusive, holder
from orchestration.lifecycle.record import Recovery
from orchestration.lifecycle.session import OnEnd
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.resources.topics import TopicSpec
from orchestration.settings import Settings
from orchestration.streaming_job import StreamingJob
from tests.fixtures.flink_cluster import Cluster, Killed, played_stream

STREAMING_JOB = dg.AssetKey("streaming_job")
SELF_HEAL = dg.AssetCheckKey(STREAMING_JOB, "self_heal")


@dataclass
class Scene:
    """A stream on a played cluster, and the sensor that watches it; `failures` are what the next submissions meet."""

    cluster: Cluster
    stream: StreamingJob
    instance: dg.DagsterInstance
    failures: list[BaseException] = field(default_factory=list)
    submitted: list[JobSpec] = field(default_factory=list)
    cursor: str | None = None

    def submit(self, argv: tuple[str, ...], *_: object) -> str:
        """What the submitting program does."""
        spec = JobSpec.read(Path(argv[-1]))
        self.submitted.append(spec)
        if self.failures:
            raise self.failures.pop(0)
        return self.cluster.accept(spec, "RUNNING")

    def tick(self) -> str:
        """One tick as the daemon makes it; the reason it gives."""
        sensor = heal.self_heal_sensor(self.stream.settings, self.stream)
        context = dg.build_sensor_context(self.instance, self.cursor)
        result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        assert isinstance(result.skip_reason, dg.SkipReason)
        return str(result.skip_reason.skip_message)

    def due(self) -> None:
        """Let the pause between two attempts be over."""
        known = self.stream.record().recovery
        record.set_recovery(self.stream.postgres, self.stream.name, replace(known, next_at=None))

    def recovery(self) -> Recovery:
        return self.stream.record().recovery

    def verdicts(self) -> list[tuple[bool, str]]:
        """What the check was told to be, oldest first, in short."""
        history = self.instance.event_log_storage.get_asset_check_execution_history(SELF_HEAL, limit=50)
        evaluations = [entry.evaluation for entry in reversed(history)]
        return [(e.passed, e.severity.value) for e in evaluations if isinstance(e, dg.AssetCheckEvaluation)]

    def materializations(self) -> list[dg.AssetMaterialization]:
        found = self.instance.fetch_materializations(STREAMING_JOB, limit=10).records
        return [event for record in found if (event := record.asset_materialization)]

    def point(self, path: str) -> str:
        """A restore point on the disk, newer than those before; its URI."""
        folder = Path(self.stream.settings.flink_state_uri.removeprefix("file://")) / path
        folder.mkdir(parents=True)
        (folder / "_metadata").write_text("x")
        return f"file://{folder}"


@pytest.fixture
def scene(
    settings: Settings,
    migrated: PostgresResource,
    kafka: KafkaResource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Scene]:
    with (
        played_stream(settings, kafka, migrated, tmp_path) as (cluster, stream),
        dg.DagsterInstance.ephemeral() as instance,
    ):
        found = Scene(cluster, stream, instance)
        monkeypatch.setattr(submission, "submit", found.submit)
        monkeypatch.setattr(recovery, "PATIENCE_S", 0.0)
        found.stream.ensure_running()
        yield found


def test_a_forgotten_job_is_brought_back_and_reported(scene: Scene) -> None:
    before = scene.stream.record().job_id
    assert f"job {before} is RUNNING" in scene.tick()
    scene.cluster.jobs.clear()
    after = scene.tick()
    known = scene.stream.record()
    assert known.job_id != before
    assert f"job {known.job_id} is RUNNING" in after
    (told,) = scene.materializations()
    assert (told.metadata["action"].value, told.metadata["attempt"].value) == ("recovered", 1)
    assert (known.recovery.attempts, known.recovery.error) == (1, None)
    assert scene.verdicts() == [(True, "WARN"), (False, "WARN"), (True, "WARN")]


def test_a_job_that_runs_is_looked_at_without_postgres(scene: Scene) -> None:
    scene.tick()
    scene.stream = replace(scene.stream, postgres=replace(scene.stream.postgres, port=1))
    assert "nothing has changed" in scene.tick()
    scene.cluster.jobs.clear()
    assert "out of reach" in scene.tick(), "it is asked as soon as something changes"
    assert len(scene.submitted) == 1


def test_a_suspended_job_stays_so(scene: Scene) -> None:
    scene.stream.stop()
    assert "stopped on purpose" in scene.tick()
    assert len(scene.submitted) == 1
    assert scene.verdicts() == [(True, "WARN")]


def test_a_cluster_out_of_reach_costs_no_attempt(scene: Scene) -> None:
    flink = FlinkResource(rest_url="http://127.0.0.1:1", state_uri=scene.stream.settings.flink_state_uri)
    scene.stream = replace(scene.stream, flink=flink)
    assert "unknown" in scene.tick()
    assert scene.recovery() == Recovery()
    assert scene.verdicts() == []


def test_whoever_launches_at_the_moment_is_left_alone(scene: Scene) -> None:
    scene.cluster.jobs.clear()
    with exclusive(scene.stream.postgres, scene.stream.name, scene.stream.settings.run_dir):
        assert "being launched or stopped" in scene.tick()
    assert len(scene.submitted) == 1


def test_whoever_holds_the_lock_for_too_long_is_named(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, run_dir = scene.stream, scene.stream.settings.run_dir
    monkeypatch.setattr(Limits, "of", lambda _: Limits(5, 5, hold_s=0.5))
    scene.cluster.jobs.clear()
    with exclusive(stream.postgres, stream.name, run_dir):
        assert scene.tick() == "the job is being launched or stopped"
        time.sleep(0.6)
        told = scene.tick()
        hold = holder(stream.postgres, stream.name, run_dir)
        assert hold is not None
        assert 0.6 <= hold.held_s < 60
        assert f"pi3 process {os.getpid()} on " in hold.by
        assert f"by {hold.by}. " in told
        assert "which is wanted: Flink knows of no job that runs. End that program" in told
        assert scene.verdicts() == [(True, "WARN"), (False, "ERROR")]
        with stream.postgres.connect("owner") as connection, connection.cursor() as cursor:
            cursor.execute(hold.way_out[hold.way_out.index("SELECT ") :])
        hold = holder(stream.postgres, stream.name, run_dir)
        assert hold is not None
        assert hold.orphaned, "without its session it holds the file still, and nobody gets in its way"
        assert f"kill -9 {os.getpid()}" in hold.way_out
        assert scene.recovery() == Recovery()
    assert "is RUNNING" in scene.tick()
    assert scene.verdicts()[-1] == (True, "WARN")
    assert len(scene.submitted) == 2


@contextmanager
def orphan(scene: Scene) -> Iterator[subprocess.Popen[bytes]]:
    """A submitting program that does not end, and whose launcher is gone."""
    with exclusive(scene.stream.postgres, scene.stream.name, scene.stream.settings.run_dir) as lock:
        program = subprocess.Popen(("sleep", "60"), pass_fds=(lock,))
    with program:
        yield program
        program.kill()


def test_a_submitter_that_outlives_its_launcher_costs_no_attempt_and_is_named(scene: Scene) -> None:
    stream, run_dir = scene.stream, scene.stream.settings.run_dir
    scene.cluster.jobs.clear()

    def launch() -> None:
        with suppress(TransientError), exclusive(stream.postgres, stream.name, run_dir, 1.0):
            pass

    with orphan(scene) as program:
        assert scene.tick() == "the job is being launched or stopped"
        long_ago_s = time.time() - LONGEST_ORPHAN_S - 1
        os.utime(run_dir / f"{stream.name}.lock", (long_ago_s, long_ago_s))
        told = scene.tick()
        assert f"by process {program.pid} on " in told
        assert f"kill -9 {program.pid})" in told
        waiting = threading.Thread(target=launch)
        waiting.start()
        time.sleep(0.5)
        assert f"by process {program.pid} on " in scene.tick(), "and not the launcher that waits for it"
        waiting.join()
        assert scene.recovery() == Recovery()
        assert scene.verdicts() == [(True, "WARN"), (False, "ERROR")]
    assert "is RUNNING" in scene.tick()
    assert scene.verdicts()[-1] == (True, "WARN")


def test_attempts_are_bounded_and_the_end_is_loud(scene: Scene) -> None:
    scene.cluster.jobs.clear()
    scene.failures = [SubmitFailed(f"no luck {number}") for number in range(1, 6)]
    for number in range(1, 6):
        assert f"attempt {number} to bring it back: no luck {number}" in scene.tick()
        assert "no luck" in scene.tick(), "the pause"
        assert len(scene.submitted) == 1 + number
        scene.due()
    assert "no luck 5" in scene.tick()
    assert scene.recovery().gave_up_at is not None
    scene.tick()
    assert len(scene.submitted) == 6
    assert scene.verdicts()[-1] == (False, "ERROR")
    scene.stream.ensure_running()
    assert "is RUNNING" in scene.tick()
    assert scene.recovery() == Recovery()
    assert scene.verdicts()[-1] == (True, "WARN")


def test_an_attempt_counts_although_the_code_server_is_killed(scene: Scene) -> None:
    scene.cluster.jobs.clear()
    scene.failures = [Killed()]
    with pytest.raises(Killed):
        scene.tick()
    assert scene.recovery().attempts == 1
    assert "has not ended" in str(scene.recovery().error)
    scene.due()
    scene.tick()
    assert scene.recovery().attempts == 2


def test_attempts_are_forgotten_once_the_job_runs_steadily(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.lifecycle.heal.STEADY_S", 0.0)
    scene.cluster.jobs.clear()
    scene.tick()
    scene.tick()
    assert scene.recovery() == Recovery()


def test_a_damaged_checkpoint_is_passed_over_with_a_warning(scene: Scene) -> None:
    older, newest = scene.point("checkpoints/old/chk-1"), scene.point("checkpoints/new/chk-2")
    scene.cluster.jobs.clear()
    scene.failures = [RestoreFailed("bad magic")]
    assert f"passed over {newest}, which Flink cannot read" in scene.tick()
    assert [spec.restore_path for spec in scene.submitted[1:]] == [newest, older]
    (told,) = scene.materializations()
    assert str(told.description).startswith(f"WARNING: passed over {newest}")
    assert scene.verdicts()[-1] == (False, "WARN")


def test_an_orphan_is_evicted(scene: Scene) -> None:
    scene.cluster.add("f" * 32, "RUNNING")
    scene.cluster.jobs["f" * 32].name = scene.stream.name
    scene.tick()
    assert scene.cluster.calls == [f"cancel {'f' * 32}"]
    assert len(scene.submitted) == 1


def test_superseded_restore_points_are_deleted_and_the_needed_ones_stay(scene: Scene) -> None:
    holder = str(scene.stream.record().job_id)
    for number in range(7):
        scene.point(f"savepoints/savepoint-aaaaaa-{number}")
    scene.point("checkpoints/dead/chk-3")
    scene.point(f"checkpoints/{holder}/chk-1")
    scene.point(f"checkpoints/{holder}/chk-2")
    removed = retention.prune(scene.stream)
    assert removed.checkpoints == ("dead",)
    folder = Path(scene.stream.settings.flink_state_uri.removeprefix("file://"))
    assert len(list(folder.glob("savepoints/*"))) == scene.stream.settings.savepoints_kept
    assert [path.name for path in folder.glob("checkpoints/*")] == [holder]


@pytest.mark.parametrize(
    ("on_end", "calls", "desired", "action"),
    [
        (OnEnd.leave, [], "running", "session ended"),
        (OnEnd.savepoint, ["stop"], "stopped", "stopped"),
        (OnEnd.cancel, ["cancel"], "stopped", "cancelled"),
    ],
)
def test_the_end_of_a_session(scene: Scene, on_end: OnEnd, calls: list[str], desired: str, action: str) -> None:
    assert session.end(scene.stream, on_end)["action"] == action
    assert [call.split()[0] for call in scene.cluster.calls] == calls
    assert scene.stream.record().desired == desired
    assert "job" in scene.tick()
    assert len(scene.submitted) == 1, "what is stopped by a session stays so"


def test_a_session_reports_what_it_knows(scene: Scene, settings: Settings) -> None:
    scene.stream.kafka.ensure_topic(
        TopicSpec(settings.kafka_topic, settings.kafka_partitions, 1, settings.kafka_retention_ms)
    )
    figures = session.Session(scene.stream, scene.instance).figures()
    assert figures["rows_landed"] == 0
    assert "lag" in figures
