"""What one diagnosis leaves for the next: it survives JSON, other versions of it do not hurt, and news is told once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from orchestration.health import memory, monitor
from orchestration.health.causes import Cause
from orchestration.health.diagnosis import Memory
from orchestration.health.facts import Desired, FlinkFacts, KafkaFacts, PostgresFacts, StreamFacts, Unreachable
from orchestration.health.gather import Servers
from orchestration.health.memory import Kept, Told
from orchestration.health.track import Goal, Track
from orchestration.settings import Settings
from orchestration.verdicts import Severity

SETTINGS = Settings(flink_job_name="ours")
KEPT = Kept(
    Memory(
        Track(
            1_800_000_000.25,
            ends={0: 9, 1: 0},
            committed={0: 5},
            moved_at_s={0: 1.5, 1: 2.5},
            commits_at_s=2.5,
            lags=((1.0, 4), (2.0, 3)),
            goal=Goal(3.5, {0: 9, 1: 0}, 0.5),
            took_s=7.0,
            produced_at_s=1.0,
            newest_id=70,
            wrote_at_s=1.0,
            landed=60,
            dead=3,
            dead_in_a_row=2,
            dead_at_s=1.0,
            desired=Desired("running", 5.0, 2, 6.0, "an error"),
            launched=True,
        ),
        Cause.SINK_BLOCKED,
        1_799_999_999.5,
    ),
    Told("sink_blocked", False, Severity.ERROR, 1_800_000_000.0),
)


@pytest.mark.parametrize("kept", [KEPT, Kept(Memory(Track(1.0), Cause.LANDING, 0.0))])
def test_what_is_kept_comes_back(kept: Kept) -> None:
    assert memory.parse(memory.dump(kept)) == kept


def of_another_version() -> Iterator[str]:
    yield from ("", "not json", "5", "[]", "{}", "null")
    raw: dict[str, Any] = json.loads(memory.dump(KEPT))
    yield json.dumps(raw | {"memory": None})
    yield json.dumps(raw | {"memory": raw["memory"] | {"cause": "a cause of another version"}})
    yield json.dumps(raw | {"memory": raw["memory"] | {"track": {"at_s": "yesterday"}}})


@pytest.mark.parametrize("text", list(of_another_version()))
def test_what_another_version_kept_is_forgotten(text: str) -> None:
    assert memory.parse(text) is None


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def test_each_job_has_a_memory_of_its_own(instance: dg.DagsterInstance) -> None:
    assert memory.load(instance, "ours") is None
    memory.keep(instance, "ours", KEPT)
    assert memory.load(instance, "ours") == KEPT
    assert memory.load(instance, "another") is None


STOPPED = StreamFacts(
    1_000.0, FlinkFacts(0), KafkaFacts({0: 0}, {0: 5}, {0: 5}), PostgresFacts(5), Desired("stopped", 0.0)
)
UNKNOWN = replace(STOPPED, flink=Unreachable("no answer"), desired=None)


class Moments:
    """Stands for `gather`: the facts that the test wants at the moment that it wants."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.facts = STOPPED
        self.tracks: list[Track | None] = []
        monkeypatch.setattr(monitor, "gather", self.gather)

    def gather(self, settings: Settings, servers: Servers, track: Track | None) -> StreamFacts:
        assert settings is SETTINGS
        assert servers is NO_SERVERS
        self.tracks.append(track)
        return self.facts


NO_SERVERS: Any = object()


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> Moments:
    return Moments(monkeypatch)


def news(instance: dg.DagsterInstance, moments: Moments, at_s: float, facts: StreamFacts) -> str | None:
    """One examination, told if it is news: its cause, None if it was none."""
    moments.facts = replace(facts, at_s=at_s)
    examined = monitor.examine(instance, SETTINGS, NO_SERVERS)
    if examined.news:
        monitor.tell(instance, SETTINGS, examined)
    return examined.diagnosis.cause.value if examined.news else None


def test_news_is_a_change_or_a_while_of_silence(instance: dg.DagsterInstance, moments: Moments) -> None:
    running = replace(UNKNOWN, desired=Desired("running", 0.0))
    told = [
        news(instance, moments, at_s, facts)
        for at_s, facts in ((0, STOPPED), (5, STOPPED), (10, running), (15, UNKNOWN), (299, UNKNOWN), (311, UNKNOWN))
    ]
    assert told == ["stopped", None, "unreachable", None, None, "unreachable"]


def test_what_was_not_told_stays_news(instance: dg.DagsterInstance, moments: Moments) -> None:
    news(instance, moments, 0, STOPPED)
    moments.facts = replace(UNKNOWN, at_s=5.0, desired=Desired("running", 0.0))
    assert monitor.examine(instance, SETTINGS, NO_SERVERS).news, "and the tick dies before it tells"
    assert news(instance, moments, 10, UNKNOWN) == "unreachable"
    assert moments.tracks[0] is None
    assert [track.at_s for track in moments.tracks[1:] if track] == [0, 5]


def test_unknown_since_is_the_same_moment_for_whoever_asks(
    instance: dg.DagsterInstance, moments: Moments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    running = replace(UNKNOWN, desired=Desired("running", 0.0))
    for at_s in (0, 20, 40):
        moments.facts = replace(running, at_s=float(at_s))
        examined = monitor.examine_twice(instance, SETTINGS, NO_SERVERS)
        assert examined.diagnosis.since_s == 0
        assert "unknown since 1970-01-01 00:00:00 UTC" in examined.diagnosis.words


def test_the_first_examination_of_all_looks_twice(
    instance: dg.DagsterInstance, moments: Moments, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monitor.examine_twice(instance, SETTINGS, NO_SERVERS)
    monitor.examine_twice(instance, SETTINGS, NO_SERVERS)
    assert (len(moments.tracks), slept) == (3, [monitor.APART_S])


def test_after_a_run_of_the_check_the_heartbeat_tells_again(instance: dg.DagsterInstance, moments: Moments) -> None:
    """A run that was planned before a report, and ended after it, would leave the older verdict in view, or hide it."""
    assert [news(instance, moments, at_s, STOPPED) for at_s in (0, 5)] == ["stopped", None]
    moments.facts = replace(UNKNOWN, at_s=10.0, desired=Desired("running", 0.0))
    monitor.examine_twice(instance, SETTINGS, NO_SERVERS)
    assert [news(instance, moments, at_s, STOPPED) for at_s in (15, 20)] == ["stopped", None]
