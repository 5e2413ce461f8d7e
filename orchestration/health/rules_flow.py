"""Rules about the flow of records, while the job and its servers look well: from what is committed and what lands."""

from __future__ import annotations

from collections.abc import Iterable

from orchestration.health.causes import BROKEN, Cause
from orchestration.health.facts import KafkaFacts
from orchestration.health.view import Finding, View
from orchestration.verdicts import Severity, seconds

# A change of the lag below this share is noise: commits come in steps.
TREND_NOISE = 0.02


def retention_passed(view: View) -> Finding | None:
    """Kafka has removed records that the job has not read: what it resumes from is older than the log."""
    kafka = view.kafka
    if kafka is None:
        return None
    gaps = {n: begin - kafka.committed[n] for n, begin in kafka.begins.items() if n in kafka.committed}
    # A job that gets on has merely not committed yet that it is past the gap.
    passed = {n: gap for n, gap in gaps.items() if gap > 0 and _stands(view, n)}
    if not passed:
        return None
    where = ", ".join(f"partition {number}: {gap:,}" for number, gap in sorted(passed.items()))
    advice = "the ledger will name them as gone; let the job run, and send them again from their origin"
    return Finding(
        Cause.RETENTION_PASSED, f"{sum(passed.values()):,} records were removed before they were read ({where})", advice
    )


def source_replaced(view: View) -> Finding | None:
    """The topic ends before what was committed: it was deleted and made anew."""
    kafka = view.kafka
    if kafka is None:
        return None
    beyond = [n for n, offset in kafka.committed.items() if offset > kafka.ends.get(n, offset)]
    if not beyond:
        return None
    words = f"committed offsets lie beyond the topic's end in partitions {_numbers(beyond)}: it was made anew"
    return Finding(Cause.SOURCE_REPLACED, words, "stop the job, and reset it to the earliest offset")


def every_record_rejected(view: View) -> Finding | None:
    """Records are read, and not one of them is a valid event."""
    track = view.track
    recent = track.dead_at_s is not None and view.age_s(track.dead_at_s) < view.limits.behind_s
    if track.dead_in_a_row < view.limits.rejected or not recent:
        return None
    words = f"the last {track.dead_in_a_row:,} records that were audited are all dead letters"
    return Finding(
        Cause.EVERY_RECORD_REJECTED, words, "dead_letters has the reasons: is a producer's new version at fault?"
    )


def stuck(view: View) -> Finding | None:
    """The job runs and completes checkpoints, and nothing is committed though records wait."""
    kafka, track = view.kafka, view.track
    if kafka is None or track.whole_at_s is None:
        return None
    # What waited before the job ran whole, or while Kafka was away, is not its fault.
    begun_s = view.age_s(max(track.whole_at_s, track.source_at_s or 0.0))
    waits = {n: min(begun_s, view.age_s(track.moved_at_s.get(n))) for n, lag in kafka.lags.items() if lag}
    # One partition may wait for its turn while others get on.
    limit_s = (
        view.limits.patience_s if min(waits.values(), default=0.0) > view.limits.patience_s else view.limits.behind_s
    )
    standing = [number for number, age_s in waits.items() if age_s > limit_s]
    if not standing:
        return None
    words = f"{kafka.lag:,} records wait, and none was committed for {seconds(max(waits.values()))}"
    where = f" in partitions {_numbers(standing)}"
    return Finding(Cause.STUCK, words + where, "does Flink reach Kafka? see flink-taskmanager.log")


def coming_back(view: View) -> Finding | None:
    """After a fault the servers look well before anything flows again."""
    if view.cause_before not in BROKEN or not view.kafka or not view.kafka.lag or view.progress_age_s == 0.0:
        return None
    return Finding(Cause.RECOVERING, f"everything runs again; {view.kafka.lag:,} records wait, none is committed yet")


def retention_near(view: View) -> Finding | None:
    """The newest restore point will soon be older than what Kafka keeps."""
    left_s = retention_left_s(view.kafka, view.facts.at_s)
    if view.kafka is None or left_s is None:
        return None
    share = left_s / (view.kafka.retention_ms / 1000)
    if share > view.limits.retention_warn:
        return None
    severity = Severity.ERROR if share <= view.limits.retention_error else Severity.WARN
    words = f"in {seconds(max(0.0, left_s))} Kafka begins to remove records that are not read yet"
    return Finding(Cause.RETENTION_NEAR, words, "let the job catch up, or raise the topic's retention.ms", severity)


def retention_left_s(kafka: KafkaFacts | None, now_s: float) -> float | None:
    """Seconds until retention may remove the oldest record that waits; None if none does, or that is not known.

    The committed offsets stand for the newest restore point: Flink commits them when the checkpoint completes.
    """
    if kafka is None or kafka.retention_ms < 0 or kafka.oldest_waiting_at_s is None:
        return None
    return kafka.oldest_waiting_at_s + kafka.retention_ms / 1000 - now_s


def behind(view: View) -> Finding | None:
    """Rows land, but late: the lag shrinks or it does not."""
    track, kafka = view.track, view.kafka
    if kafka is None or track.behind_s <= view.limits.behind_s or not kafka.lag:
        return None
    drained = track.drained_per_s
    words = f"records are committed {seconds(track.behind_s)} after they arrive or later; lag {kafka.lag:,}"
    if _shrinks(view, drained):
        rest = f"{words}, {drained:,.0f}/s less, {seconds(kafka.lag / drained)} to go" if drained else words
        return Finding(Cause.CATCHING_UP, rest)
    growth = f"{words}, {max(0.0, -(drained or 0.0)):,.0f}/s more"
    return Finding(Cause.LAGGING, growth, "raise the job's parallelism, or look what slows Postgres")


def _shrinks(view: View, drained: float | None) -> bool:
    if drained is None:
        return True
    noise = TREND_NOISE * (view.kafka.lag if view.kafka else 0) / 60
    return drained > noise or (abs(drained) <= noise and view.cause_before is Cause.CATCHING_UP)


def well(view: View) -> Finding:
    """Everything that arrives lands."""
    lag = view.kafka.lag if view.kafka else 0
    quiet_s = view.age_s(view.track.produced_at_s)
    if not lag and quiet_s > view.limits.behind_s:
        return Finding(Cause.IDLE, f"nothing has arrived for {seconds(quiet_s)}, and all that had is landed")
    return Finding(Cause.LANDING, f"rows land as they arrive; lag {lag:,}")


def _stands(view: View, partition: int) -> bool:
    return view.age_s(view.track.moved_at_s.get(partition)) > view.limits.patience_s or view.active_job is None


def _numbers(partitions: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(partitions)))
