"""Runs of a replay: however they end, the next one goes on, and one job has replayed the range.

Postgres and Kafka are real, the cluster is played; the acceptance test replays with a real one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from flink_jobs.spec import JobSpec
from orchestration.errors import ConfigurationError, TransientError
from orchestration.flink.resource import FlinkResource
from orchestration.lifecycle import record, submission
from orchestration.lifecycle import replay as replays
from orchestration.lifecycle.replay import Replay
from orchestration.resources.topics import OffsetRange
from orchestration.settings import Settings
from orchestration.streaming_job import StreamingJob
from tests.fixtures import ledger
from tests.fixtures.flink_cluster import Cluster, Killed
from tests.fixtures.flink_rest import Reply, RestDouble, serving

NAME = "replay.0123456789ab"
RANGES = {1: OffsetRange(2, 5)}


@dataclass
class Scene:
    """A topic of two partitions, and a played cluster with `slots` free; submitted jobs end as `end` says."""

    cluster: Cluster
    ledger: ledger.Scene
    slots: int = 4
    end: str = "FINISHED"
    submitted: list[JobSpec] = field(default_factory=list)
    stream: StreamingJob = field(init=False)

    def route(self, method: str, path: str, query: dict[str, str], body: Any) -> Reply:  # noqa: ANN401
        if path != "/overview":
            return self.cluster.route(method, path, query, body)
        figures = {"taskmanagers": 1, "slots-total": 8, "slots-available": self.slots, "jobs-running": 1}
        return 200, {"flink-version": "2.3.0", **figures}

    def submit(self, argv: tuple[str, ...], *_: object) -> str:
        spec = JobSpec.read(Path(argv[-1]))
        self.submitted.append(spec)
        return self.cluster.accept(spec, "RUNNING", "RUNNING", self.end)

    def replay(self, killed_at: str = "") -> Replay:
        """A run of the replay; its process ends as it tells of that step."""

        def tell(step: str) -> None:
            if killed_at and killed_at in step:
                raise Killed

        return Replay(self.stream.telling(tell), NAME, RANGES)

    def kept(self) -> list[tuple[Any, ...]]:
        return self.ledger.rows("SELECT job_name, rows_before, rows_after, ended_at IS NOT NULL FROM replays")


@pytest.fixture
def scene(settings: Settings, scene: ledger.Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    for partition in (0, 1):
        scene.run_job(*(ledger.event(f"{partition}-{n}") for n in range(6)), partition=partition)
    found = Scene(Cluster(tmp_path), scene)
    monkeypatch.setattr(submission, "submit", found.submit)
    monkeypatch.setattr(replays, "POLL_S", 0.01)
    with serving(RestDouble(found.route)) as double:
        changes = {"flink_rest_url": double.url, "stack_dir": tmp_path, "kafka_topic": scene.topic}
        names = {"kafka_consumer_group": scene.topic, "flink_job_name": f"test-{secrets.token_hex(4)}"}
        own = settings.model_copy(update={**changes, **names, "flink_state_uri": f"file://{tmp_path}/state"})
        flink = FlinkResource(rest_url=double.url, state_uri=own.flink_state_uri)
        found.stream = StreamingJob(own, flink, scene.kafka, scene.postgres)
        yield found


def test_a_replay_submits_one_bounded_job_and_leaves_its_history(scene: Scene) -> None:
    folder = Path(scene.stream.settings.stack_dir) / "state" / "replays" / NAME
    (folder / "checkpoints").mkdir(parents=True)
    done = scene.replay().run()
    (spec,) = scene.submitted
    assert spec.job_name == done.version.definition.settings["pipeline.name"] == NAME
    assert (spec.start_offsets, spec.end_offsets) == ({0: 6, 1: 2}, {0: 6, 1: 5})
    assert (spec.writer_epoch, spec.restore_path, spec.fingerprint) == (1, None, done.version.fingerprint)
    assert done.begun.before == done.effect.after
    assert done.begun.before.rows == 3
    assert scene.kept() == [(spec.job_name, 3, 3, True)]
    assert record.read(scene.ledger.postgres, spec.job_name) is None
    assert not folder.exists()
    assert not list(scene.stream.settings.run_dir.glob("replay.*.json"))


def test_the_same_range_can_be_replayed_again(scene: Scene) -> None:
    first, second = scene.replay().run(), scene.replay().run()
    assert first.job.id != second.job.id
    assert len(scene.kept()) == 2


@pytest.mark.parametrize(
    ("step", "submissions"),
    [("replaying", 1), ("taking", 1), ("submitting", 1), ("submitted", 1), ("has finished", 1)],
)
def test_wherever_a_run_dies_the_next_one_goes_on(scene: Scene, step: str, submissions: int) -> None:
    with suppress(Killed):
        scene.replay(step).run()
        pytest.fail(f"it does not tell of {step}")
    scene.ledger.execute("DELETE FROM events")
    done = scene.replay().run()
    assert len(scene.submitted) == submissions
    assert [(rows, ended) for _, rows, _, ended in scene.kept()] == [(3, True)], "before is before the first run"
    assert done.job.id == scene.submitted[-1].job_id


@pytest.mark.parametrize(("end", "message"), [("FAILED", "is FAILED: .*out of luck"), ("CANCELED", "is CANCELED")])
def test_a_job_that_failed_is_submitted_again(scene: Scene, end: str, message: str) -> None:
    scene.end = end
    with pytest.raises(TransientError, match=message):
        scene.replay().run()
    scene.end = "FINISHED"
    scene.replay().run()
    assert [spec.writer_epoch for spec in scene.submitted] == [1, 2]
    assert len(scene.kept()) == 1


def test_a_job_that_the_jobmanager_has_forgotten_is_submitted_again(scene: Scene) -> None:
    scene.end = "RUNNING"
    with suppress(Killed):
        scene.replay("waiting until").run()
    scene.cluster.jobs.clear()
    scene.end = "FINISHED"
    scene.replay().run()
    assert len(scene.submitted) == 2


def test_a_jobmanager_that_dies_meanwhile_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.end = "RUNNING"
    monkeypatch.setattr(scene.cluster, "_tell", lambda *_: (404, {"errors": ["not found"]}))
    with pytest.raises(TransientError, match="has forgotten"):
        scene.replay().run()


def test_too_few_slots_are_told_before_anything_starts(scene: Scene) -> None:
    scene.slots = 1
    with pytest.raises(ConfigurationError, match="parallelism 2 needs as many slots, and the cluster has 1"):
        replace(scene.replay(), parallelism=2).run()
    assert (scene.submitted, scene.kept()) == ([], [])


def test_a_run_goes_on_with_the_ranges_of_the_one_that_died(scene: Scene) -> None:
    with suppress(Killed):
        scene.replay("taking").run()
    moved_on = {0: OffsetRange(0, 6), 1: OffsetRange(2, 6)}
    assert replace(scene.replay(), ranges=moved_on).run().begun.ranges == RANGES
    assert scene.submitted[0].end_offsets == {0: 6, 1: 5}


def test_the_job_of_another_replay_is_waited_for(scene: Scene) -> None:
    scene.cluster.add("a" * 32, "RUNNING")
    scene.cluster.jobs["a" * 32].name = "replay.other"
    with pytest.raises(TransientError, match=r"replay\.other still runs"):
        scene.replay().run()
    assert scene.submitted == []


def test_what_the_stream_runs_is_replayed_even_if_the_code_says_something_else(scene: Scene) -> None:
    version = scene.stream.version()
    kept = replace(version, fingerprint="f", definition=replace(version.definition, insert="INSERT as ever"))
    record.take_lease(scene.ledger.postgres, scene.stream.name, "1" * 32, kept, None)
    done = scene.replay().run()
    assert done.version.definition.insert == "INSERT as ever"
    assert not done.is_current
