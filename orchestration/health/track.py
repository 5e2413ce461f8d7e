"""What the snapshots so far have shown of the stream's progress, handed from each to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from orchestration.health.facts import Desired, FlinkFacts, KafkaFacts, PostgresFacts, StreamFacts

# Commits come with the checkpoints, so the lag is a sawtooth: only over a while does it show whether it grows.
TREND_S: Final = 60.0


# A job that has committed nothing for so long, and goes on, begins a new trend.
GAP_S: Final = 30.0

# A job that has run whole for so long begins a new life: what it suffered before is over.
STEADY_S: Final = 30.0


@dataclass(frozen=True)
class Goal:
    """What stood in the topic at a moment; `open_s` later it was seen not to be committed yet."""

    at_s: float
    ends: Mapping[int, int]
    open_s: float = 0.0


@dataclass(frozen=True)
class Track:
    """Progress up to `at_s`; what a server that is out of reach hides stays as it was seen last.

    `moved_at_s`: by partition, when the job was last seen to commit, or to have nothing left to commit; `commits_at_s`:
    when it was so for any partition that had something to commit, or for all.
    `lags`: moments of the last minute and the lag then. `took_s`: at least so long did the last goal take.
    `source_at_s`, `whole_at_s`: since when Kafka answers without a break, and since when the job runs whole; None while
    that is not so. `steady_at_s`: when it had last run whole for a while.
    `dead_in_a_row`: dead letters since the ledger last counted a record that landed.
    """

    at_s: float
    ends: Mapping[int, int] = field(default_factory=dict)
    committed: Mapping[int, int] = field(default_factory=dict)
    moved_at_s: Mapping[int, float] = field(default_factory=dict)
    commits_at_s: float | None = None
    lags: tuple[tuple[float, int], ...] = ()
    goal: Goal | None = None
    took_s: float = 0.0
    produced_at_s: float | None = None
    source_at_s: float | None = None
    whole_at_s: float | None = None
    steady_at_s: float | None = None
    newest_id: int | None = None
    wrote_at_s: float | None = None
    landed: int | None = None
    dead: int = 0
    dead_in_a_row: int = 0
    dead_at_s: float | None = None
    desired: Desired | None = None
    launched: bool = False

    @property
    def behind_s(self) -> float:
        """At least so long does a record wait until it is committed."""
        return max(self.took_s, self.goal.open_s if self.goal else 0.0)

    @property
    def drained_per_s(self) -> float | None:
        """By how much the lag shrinks, negative if it grows; None if it was not seen for long enough to tell."""
        if not self.lags or self.lags[-1][0] - self.lags[0][0] < TREND_S / 2:
            return None
        (then_s, before), (now_s, now) = self.lags[0], self.lags[-1]
        return (before - now) / (now_s - then_s)

    @property
    def progress_at_s(self) -> float | None:
        """When anything was last seen to get on: a commit, or a row of the table."""
        return max(filter(None, (self.commits_at_s, self.wrote_at_s)), default=None)


def advance(track: Track | None, facts: StreamFacts) -> Track:
    """The track with one snapshot more."""
    now = replace(track, at_s=facts.at_s) if track else Track(facts.at_s)
    if facts.desired:
        now = replace(now, desired=facts.desired)
    if isinstance(facts.flink, FlinkFacts):
        now = _job(now, facts.flink)
    if isinstance(facts.kafka, KafkaFacts):
        now = _commits(_production(now, facts.kafka), facts.kafka)
    else:
        now = replace(now, source_at_s=None)
    if isinstance(facts.postgres, PostgresFacts):
        now = _audits(_rows(now, facts.postgres), facts.postgres)
    return now


def _job(track: Track, flink: FlinkFacts) -> Track:
    job = flink.job
    whole = flink.active == 1 and job is not None and job.whole and not job.open_failures
    since_s = track.at_s if track.whole_at_s is None else track.whole_at_s
    steady = whole and track.at_s - since_s >= STEADY_S
    return replace(
        track,
        launched=track.launched or flink.active > 0,
        whole_at_s=since_s if whole else None,
        steady_at_s=track.at_s if steady else track.steady_at_s,
    )


def _production(track: Track, kafka: KafkaFacts) -> Track:
    grown = kafka.ends != track.ends
    return replace(
        track,
        ends=dict(kafka.ends),
        produced_at_s=track.at_s if grown else track.produced_at_s,
        source_at_s=track.at_s if track.source_at_s is None else track.source_at_s,
    )


def _commits(track: Track, kafka: KafkaFacts) -> Track:
    now_s, former = track.at_s, track.committed
    changed = {number for number in kafka.ends if kafka.committed.get(number) != former.get(number)}
    moved = {
        number: now_s if lag == 0 or number in changed else track.moved_at_s.get(number, now_s)
        for number, lag in kafka.lags.items()
    }
    got_on = bool(changed) or kafka.lag == 0 or track.commits_at_s is None
    lags = tuple(point for point in track.lags if now_s - TREND_S <= point[0] < now_s)
    if track.commits_at_s is not None and now_s - track.commits_at_s > GAP_S:
        lags = ()
    seen = replace(
        track,
        committed=dict(kafka.committed),
        moved_at_s=moved,
        commits_at_s=now_s if got_on else track.commits_at_s,
        lags=(*lags, (now_s, kafka.lag)),
    )
    return _next_goal(seen, kafka)


def _next_goal(track: Track, kafka: KafkaFacts) -> Track:
    goal = track.goal
    if goal is None:
        return replace(track, goal=Goal(track.at_s, dict(kafka.ends)))
    # A partition whose end went back was made anew.
    if any(kafka.position(number) < min(end, kafka.ends.get(number, 0)) for number, end in goal.ends.items()):
        return replace(track, goal=replace(goal, open_s=track.at_s - goal.at_s))
    return replace(track, goal=Goal(track.at_s, dict(kafka.ends)), took_s=goal.open_s)


def _rows(track: Track, postgres: PostgresFacts) -> Track:
    if postgres.newest_id is None:
        return track
    wrote = track.newest_id is not None and postgres.newest_id != track.newest_id
    return replace(track, newest_id=postgres.newest_id, wrote_at_s=track.at_s if wrote else track.wrote_at_s)


def _audits(track: Track, postgres: PostgresFacts) -> Track:
    anew = track.landed is None or postgres.landed < track.landed or postgres.dead < track.dead
    in_a_row = track.dead_in_a_row + postgres.dead - track.dead
    grown = not anew and postgres.dead > track.dead
    return replace(
        track,
        landed=postgres.landed,
        dead=postgres.dead,
        dead_in_a_row=0 if anew or postgres.landed != track.landed else in_a_row,
        dead_at_s=track.at_s if grown else track.dead_at_s,
    )
