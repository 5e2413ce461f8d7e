"""What is gathered from the servers, and in which order, so that what moves meanwhile looks like lag."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from orchestration import snapshot
from orchestration.resources.topics import OffsetRange
from orchestration.settings import Settings

SETTINGS = Settings(kafka_topic="t", kafka_consumer_group="g", flink_job_name="ours", checkpoint_interval_ms=5_000)
NOW_S = 1_000_000.0


class Servers:
    """Kafka; keeps the order in which it is asked."""

    def __init__(self, offsets: dict[int, OffsetRange], *committed: dict[int, int]) -> None:
        self._offsets, self._committed = offsets, list(committed)
        self.asked: list[Any] = []

    def committed(self, group: str, topic: str) -> dict[int, int]:
        assert (group, topic) == ("g", "t")
        self.asked.append("committed")
        return self._committed.pop(0) if len(self._committed) > 1 else self._committed[0]

    def offsets(self, topic: str) -> dict[int, OffsetRange]:
        assert topic == "t"
        self.asked.append("offsets")
        return self._offsets


@pytest.mark.parametrize(
    ("span", "committed", "lag"),
    [
        (OffsetRange(0, 10), {0: 4}, {0: 6}),
        (OffsetRange(0, 10), {}, {0: 10}),
        (OffsetRange(8, 10), {}, {0: 2}),
        # Retention has passed the commit, and a topic that was made anew.
        (OffsetRange(8, 10), {0: 4}, {0: 2}),
        (OffsetRange(0, 3), {0: 50}, {0: 0}),
    ],
)
def test_lag(span: OffsetRange, committed: dict[int, int], lag: dict[int, int]) -> None:
    servers: Any = Servers({0: span}, committed)
    assert snapshot.lag_by_partition(SETTINGS, servers) == lag
    # The other way round, a job that commits in between would be ahead of the topic.
    assert servers.asked == ["committed", "offsets"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes only by sleeping."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "time", lambda: NOW_S)
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("committed", "expected"),
    [
        # first, for the lag, then once per look
        ([{0: 10}, {0: 10}], (0, 0, 0.0)),
        ([{0: 4}, {0: 4}, {0: 4}, {0: 9}], (6, 5, 1.0)),
        ([{}, {}, {0: 3}], (10, 3, 0.5)),
        ([{0: 4}], (6, 0, 3.0)),
    ],
)
def test_commits_are_watched_until_one_comes_or_patience_ends(
    committed: list[dict[int, int]], expected: tuple[int, int, float]
) -> None:
    servers: Any = Servers({0: OffsetRange(0, 10)}, *committed)
    assert snapshot.watch_commits(SETTINGS, servers, patience_s=3.0) == expected


class Flink:
    """A cluster with these jobs of our name."""

    def __init__(self, jobs: int, completed_at_ms: int | None = None, failures_ms: tuple[int, ...] = ()) -> None:
        self._jobs = [SimpleNamespace(id=f"j{n}", started_at_ms=(NOW_S - 60 - n) * 1000) for n in range(jobs)]
        self._latest = None if completed_at_ms is None else SimpleNamespace(completed_at_ms=completed_at_ms)
        self._failures = [SimpleNamespace(at_ms=at_ms) for at_ms in failures_ms]

    def active_jobs(self, name: str) -> list[Any]:
        assert name == "ours"
        return self._jobs

    def checkpoints(self, job_id: str) -> Any:  # noqa: ANN401
        assert job_id == "j0"
        return SimpleNamespace(latest_completed=self._latest, failed_since_completed=3)

    def exceptions(self, job_id: str, limit: int) -> list[Any]:
        assert job_id == "j0"
        return self._failures[:limit]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("completed_at_ms", "age_s"), [(None, None), (int(NOW_S * 1000), 0.0), (int((NOW_S - 7.5) * 1000), 7.5)]
)
def test_age_of_the_last_checkpoint(completed_at_ms: int | None, age_s: float | None) -> None:
    client: Any = Flink(1, completed_at_ms)
    facts = snapshot.checkpoint_facts(SETTINGS, client)
    assert facts is not None
    assert (facts.interval_s, facts.last_completed_age_s, facts.job_age_s) == (5.0, age_s, 60.0)
    assert facts.failed_since_completed == 3


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("ages_s", "within"), [((), 0), ((0, 599, 600), 3), ((601,), 0), ((1, 700), 1), (tuple(range(20)), 20)]
)
def test_failures_within_the_window(ages_s: tuple[int, ...], within: int) -> None:
    client: Any = Flink(1, failures_ms=tuple(int((NOW_S - age_s) * 1000) for age_s in ages_s))
    assert snapshot.restarts_since("ours", client, 600.0) == within


def test_without_a_job_there_is_nothing_to_tell() -> None:
    client: Any = Flink(0)
    assert snapshot.checkpoint_facts(SETTINGS, client) is None
    assert snapshot.restarts_since("ours", client, 600.0) is None
