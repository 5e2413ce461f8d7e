"""A reset of the stream: wherever it is cut off, the next start goes on with it, or as if it had not been asked for.

Postgres and Kafka are real, the cluster is played.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from orchestration.errors import ConfigurationError
from orchestration.resources.topics import TopicSpec
from orchestration.streaming_job import StreamingJob
from tests.fixtures.flink_cluster import Killed
from tests.integration.test_launch import Scene, scene

__all__ = ["scene"]


@pytest.fixture
def stream(scene: Scene, topic_name: str) -> Scene:
    """The stream on an empty topic of one partition, with a checkpoint to resume from."""
    scene.stream.kafka.ensure_topic(TopicSpec(topic_name, 1, 1, 3_600_000))
    settings = scene.stream.settings.model_copy(update={"kafka_topic": topic_name, "kafka_consumer_group": topic_name})
    stream = scene.stream
    scene.stream = StreamingJob(settings, stream.flink, stream.kafka, stream.postgres)
    scene.stream.ensure_running()
    checkpoint(scene)
    return scene


def checkpoint(scene: Scene, number: int = 1) -> str:
    """A completed checkpoint of the job that runs; its URI."""
    folder = scene.cluster.folder / "checkpoints" / (scene.stream.record().job_id or "") / f"chk-{number}"
    folder.mkdir(parents=True)
    (folder / "_metadata").touch()
    return f"file://{folder}"


def starts(scene: Scene) -> list[tuple[str | None, object]]:
    return [(spec.restore_path, spec.start_offsets) for spec in scene.submitted]


FROM_BEGIN = (None, {0: 0})


def test_a_reset_starts_from_its_offsets_whatever_could_be_resumed_from(stream: Scene) -> None:
    ensured, moves = stream.stream.reset("earliest")
    assert starts(stream)[1:] == [FROM_BEGIN]
    assert (moves[0].origin, moves[0].target) == (0, 0)
    assert stream.active() == stream.writers() == [ensured.job_id]
    assert stream.cluster.calls[0].startswith("stop ")
    kept = list(Path(stream.cluster.folder).glob("checkpoints/*/chk-1/_metadata"))
    assert len(kept) == 1, "what was left behind is kept"


def test_a_jobmanager_that_dies_before_the_first_checkpoint_changes_nothing_about_it(stream: Scene) -> None:
    stream.stream.reset("earliest")
    stream.cluster.jobs.clear()
    stream.stream.recover()
    assert starts(stream)[1:] == [FROM_BEGIN] * 2
    young = checkpoint(stream)
    stream.cluster.jobs.clear()
    stream.stream.recover()
    assert starts(stream)[-1] == (young, None)


STEPS = ["stopping", "resetting", "looking", "taking", "submitting", "submitted"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("next_one", ["recover", "ensure_running", "reset"])
def test_wherever_a_reset_dies_the_next_start_goes_on(stream: Scene, step: str, next_one: str) -> None:
    old = (f"file://{stream.cluster.folder}/checkpoints/{stream.stream.record().job_id}/chk-1", None)

    def tell(words: str) -> None:
        if words.startswith(step):
            raise Killed

    with suppress(Killed):
        stream.stream.telling(tell).reset("earliest")
        pytest.fail(f"it does not tell of {step}")
    done_before = STEPS.index(step) < STEPS.index("looking")
    _age_of(old[0])
    going_on: dict[str, Callable[[], object]] = {
        "recover": stream.stream.recover,
        "ensure_running": stream.stream.ensure_running,
        "reset": lambda: stream.stream.reset("earliest"),
    }
    going_on[next_one]()
    expected = {"stopping": None, "resetting": old}.get(step, FROM_BEGIN) if next_one != "reset" else FROM_BEGIN
    assert done_before or expected == FROM_BEGIN
    assert starts(stream)[1:][-1:] == ([expected] if expected else [])
    assert len(stream.active()) == len(stream.writers()) == stream.most == 1


def _age_of(uri: str) -> None:
    """As old as it would be: what the test does is faster than the clock of the files."""
    os.utime(Path(uri.removeprefix("file://")) / "_metadata", (1, 1))


def test_a_stream_that_was_stopped_is_wanted_again(stream: Scene) -> None:
    stream.stream.stop()
    stream.stream.reset("latest")
    assert stream.stream.record().desired == "running"
    assert len(stream.active()) == 1


def test_a_time_that_is_none_stops_nothing(stream: Scene) -> None:
    before = stream.active()
    with pytest.raises(ConfigurationError, match="should be earliest, latest or an ISO time"):
        stream.stream.reset("tomorrow")
    assert stream.active() == before
    assert stream.stream.record().reset_at is None


def test_a_reset_is_of_the_version_that_runs(stream: Scene) -> None:
    changed = stream.changed()
    changed.reset("earliest")
    assert stream.submitted[-1].fingerprint == stream.submitted[0].fingerprint
