"""Progress as it shows from snapshot to snapshot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestration.health.facts import (
    Checkpoints,
    Desired,
    Failure,
    FlinkFacts,
    JobFacts,
    KafkaFacts,
    PostgresFacts,
    StreamFacts,
    Unreachable,
)
from orchestration.health.track import Track, advance

GONE = Unreachable("no answer")
NOTHING = StreamFacts(0.0, GONE, GONE, GONE)


def tracked(*steps: StreamFacts) -> Track:
    """Snapshots ten seconds apart."""
    found: Track | None = None
    for number, facts in enumerate(steps):
        found = advance(found, replace(facts, at_s=10.0 * number))
    assert found is not None
    return found


def committed(*offsets: int, ends: tuple[int, ...] = (100, 100)) -> StreamFacts:
    """Offsets of two partitions; of a negative one there is no commit."""
    kafka = KafkaFacts(
        {0: 0, 1: 0}, dict(enumerate(ends)), {number: offset for number, offset in enumerate(offsets) if offset >= 0}
    )
    return replace(NOTHING, kafka=kafka)


def audited(landed: int, dead: int) -> StreamFacts:
    return replace(NOTHING, postgres=PostgresFacts(1, landed=landed, dead=dead))


@pytest.mark.parametrize(
    ("steps", "moved_at_s", "commits_at_s"),
    [
        ([committed(5, 5), committed(5, 5), committed(5, 5)], {0: 0, 1: 0}, 0),
        ([committed(5, 5), committed(6, 5), committed(6, 5)], {0: 10, 1: 0}, 10),
        ([committed(-1, -1), committed(-1, 1), committed(-1, 1)], {0: 0, 1: 10}, 10),
        # A partition without anything to commit hides neither itself nor the others.
        ([committed(5, 100), committed(5, 100), committed(5, 100)], {0: 0, 1: 20}, 0),
        ([committed(100, 100), committed(100, 100), committed(100, 100)], {0: 20, 1: 20}, 20),
        # What cannot be seen stays as it was.
        ([committed(5, 5), committed(6, 5), NOTHING], {0: 10, 1: 0}, 10),
    ],
)
def test_when_the_job_was_seen_to_commit(
    steps: list[StreamFacts], moved_at_s: dict[int, float], commits_at_s: float
) -> None:
    found = tracked(*steps)
    assert (found.moved_at_s, found.commits_at_s) == (moved_at_s, commits_at_s)


@pytest.mark.parametrize(
    ("steps", "behind_s"),
    [
        ([committed(5, 5)], 0),
        ([committed(5, 5), committed(5, 5)], 10),
        ([committed(5, 5), committed(5, 5), committed(99, 100)], 20),
        # Reached at the first look: it may have been quick.
        ([committed(5, 5), committed(100, 100)], 0),
        # Reached at the third: it took longer than until the second.
        ([committed(5, 5), committed(50, 50), committed(100, 100, ends=(200, 200))], 10),
        # A topic that was made anew ends before the goal.
        ([committed(5, 5), committed(5, 5), committed(-1, -1, ends=(0, 0))], 10),
    ],
)
def test_how_far_the_job_is_behind(steps: list[StreamFacts], behind_s: float) -> None:
    assert tracked(*steps).behind_s == behind_s


@pytest.mark.parametrize(
    ("lags", "drained_per_s"),
    [((90,), None), ((90, 80, 70), None), ((90, 80, 70, 60), 1.0), ((60, 70, 80, 90), -1.0), ((9, 90, 8, 9), 0.0)],
)
def test_the_trend_of_the_lag(lags: tuple[int, ...], drained_per_s: float | None) -> None:
    found = tracked(*[committed(100 - lag, 100) for lag in lags])
    assert found.drained_per_s == drained_per_s


def test_the_trend_begins_anew_after_a_pause_and_reaches_back_a_minute() -> None:
    moving = [committed(n, 0, ends=(1_000, 0)) for n in range(10)]
    assert [at_s for at_s, _ in tracked(*moving).lags] == [30, 40, 50, 60, 70, 80, 90]
    paused = [committed(5, 0), *[committed(5, 0, ends=(200, 0))] * 4, committed(50, 0, ends=(200, 0))]
    assert tracked(*paused).lags == ((50, 150),)


@pytest.mark.parametrize(
    ("steps", "in_a_row", "dead_at_s"),
    [
        ([audited(5, 3)], 0, None),
        ([audited(5, 3), audited(5, 9), audited(5, 9)], 6, 10),
        ([audited(5, 3), audited(5, 9), audited(6, 12)], 0, 20),
        ([audited(5, 3), audited(5, 9), NOTHING, audited(5, 12)], 9, 30),
        # The ledger was made anew.
        ([audited(5, 3), audited(5, 9), audited(0, 2)], 0, 10),
    ],
)
def test_dead_letters_in_a_row(steps: list[StreamFacts], in_a_row: int, dead_at_s: float | None) -> None:
    found = tracked(*steps)
    assert (found.dead_in_a_row, found.dead_at_s) == (in_a_row, dead_at_s)


def test_rows_are_progress_too_but_not_those_that_were_there() -> None:
    rows = [replace(NOTHING, postgres=PostgresFacts(newest)) for newest in (5, 5, 6, None, 6)]
    assert tracked(*rows[:2]).progress_at_s is None
    assert tracked(*rows).progress_at_s == 20


def test_what_was_wanted_and_seen_is_remembered() -> None:
    wanted = replace(NOTHING, desired=Desired("stopped", 3.0), flink=FlinkFacts(1))
    found = tracked(wanted, NOTHING, replace(NOTHING, flink=FlinkFacts(0)))
    assert (found.desired, found.launched) == (Desired("stopped", 3.0), True)
    assert not tracked(replace(NOTHING, flink=FlinkFacts(0))).launched


def test_production_is_seen_by_the_ends() -> None:
    steps = [committed(5, 5), committed(6, 6, ends=(101, 100)), committed(7, 7, ends=(101, 100))]
    assert tracked(*steps).produced_at_s == 10


def job(tasks_running: int = 1, failed_at_s: float | None = None, completed_at_s: float | None = None) -> StreamFacts:
    failures = () if failed_at_s is None else (Failure(failed_at_s, ("boom",)),)
    checkpoints = Checkpoints(1, completed_at_s)
    return replace(
        NOTHING, flink=FlinkFacts(1, JobFacts("j", "RUNNING", tasks_running, 1, 0.0, 0, failures, checkpoints))
    )


@pytest.mark.parametrize(
    ("steps", "whole_at_s"),
    [
        ([job(), job()], 0),
        ([job(0), job()], 10),
        ([job(), job(0)], None),
        ([job(), job(failed_at_s=15)], None),
        ([job(), job(failed_at_s=15), job(failed_at_s=15, completed_at_s=18)], 20),
        # What cannot be seen stays as it was; no job is not whole, nor are two.
        ([job(), NOTHING], 0),
        ([job(), replace(NOTHING, flink=FlinkFacts(0))], None),
        ([job(), replace(job(), flink=FlinkFacts(2, JobFacts("j", "RUNNING", 1, 1, 0.0)))], None),
    ],
)
def test_since_when_the_job_runs_whole(steps: list[StreamFacts], whole_at_s: float | None) -> None:
    assert tracked(*steps).whole_at_s == whole_at_s


@pytest.mark.parametrize(
    ("steps", "steady_at_s"),
    [
        ([job()] * 3, None),
        ([job()] * 5, 40),
        ([*[job()] * 5, job(0), job()], 40),
        ([job(), job(), job(0), job(), job()], None),
    ],
)
def test_when_the_job_had_run_whole_for_a_while(steps: list[StreamFacts], steady_at_s: float | None) -> None:
    assert tracked(*steps).steady_at_s == steady_at_s


def test_since_when_kafka_answers() -> None:
    assert tracked(committed(1, 1), committed(1, 1)).source_at_s == 0
    assert tracked(committed(1, 1), NOTHING).source_at_s is None
    assert tracked(committed(1, 1), NOTHING, committed(1, 1), committed(1, 1)).source_at_s == 20
