"""Verdicts: pure functions of plain values, each the whole decision behind one asset check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Final

Number = int | float | str
# Metadata of a verdict that says nothing, because a server was out of reach.
UNKNOWN: Final = "unknown"


class Severity(str, Enum):
    """How bad a failed check is; Dagster has the same two."""

    WARN = "WARN"
    ERROR = "ERROR"


@dataclass(frozen=True)
class Verdict:
    """What a check decided, in words and figures; `severity` matters only when it did not pass."""

    passed: bool
    description: str
    severity: Severity = Severity.ERROR
    metadata: Mapping[str, Number] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckpointFacts:
    """Of one running job: ages in seconds, None if there was none yet."""

    interval_s: float
    last_completed_age_s: float | None
    job_age_s: float
    failed_since_completed: int


def unknown(error: object) -> Verdict:
    """A server is out of reach: that is no verdict on what it would have said."""
    return Verdict(False, f"unknown: {error}", Severity.WARN, {UNKNOWN: "true"})


def stopped_on_purpose(since_s: float) -> Verdict:
    """Of a job that is wanted stopped since then (Unix time), nothing is expected."""
    return Verdict(True, f"the job is stopped on purpose since {utc(since_s)}", metadata={"desired": "stopped"})


def rows_landing(lag: int, advanced: int, watched_s: float) -> Verdict:
    """The job must get on while there is something to read: an idle topic is fine, a standing lag is not.

    `advanced` counts the offsets that the job committed while it was watched for `watched_s`.
    """
    figures: dict[str, Number] = {"lag": lag, "advanced": advanced, "watched_s": round(watched_s, 1)}
    if lag == 0:
        return Verdict(True, "the job has landed everything that was produced", metadata=figures)
    if advanced > 0:
        words = f"the job committed {advanced:,} records within {watched_s:.0f} s; {lag:,} wait"
        return Verdict(True, words, metadata=figures)
    return Verdict(
        False,
        f"{lag:,} records wait and none was committed within {watched_s:.0f} s: see the checks of streaming_job",
        metadata=figures,
    )


def no_duplicates(repeated: Mapping[str, int]) -> Verdict:
    """No event_id may have two rows; `repeated` maps some of those that have to their number of rows."""
    if not repeated:
        return Verdict(True, "every event_id has exactly one row", metadata={"repeated_event_ids": 0})
    examples = ", ".join(list(repeated)[:5])
    return Verdict(
        False,
        f"{len(repeated)} event_ids have several rows, such as {examples}: is the unique index on event_id there?",
        metadata={"repeated_event_ids": len(repeated)},
    )


def job_running(state: str | None, same_name: int) -> Verdict:
    """Exactly one job of our name, and it runs; `state` is Flink's word for it, None if there is none."""
    figures: dict[str, Number] = {"jobs_of_this_name": same_name, "state": state or "absent"}
    if same_name > 1:
        return Verdict(False, f"{same_name} jobs of this name are active: cancel all but the oldest", metadata=figures)
    if state == "RUNNING":
        return Verdict(True, "the job is running", metadata=figures)
    if state is None:
        return Verdict(False, "no job is active: materialise streaming_job to start it", metadata=figures)
    return Verdict(False, f"the job is {state}: see its exceptions in Flink's UI", metadata=figures)


def checkpoint_recent(facts: CheckpointFacts | None) -> Verdict:
    """A checkpoint must have completed within a few intervals; a young job gets that long for its first."""
    if facts is None:
        return Verdict(False, "no job is active, so nothing is checkpointed")
    limit_s = max(60.0, 5 * facts.interval_s)
    age_s = facts.job_age_s if facts.last_completed_age_s is None else facts.last_completed_age_s
    figures: dict[str, Number] = {"checkpoint_age_s": round(age_s, 1), "failed_since": facts.failed_since_completed}
    what = "job started" if facts.last_completed_age_s is None else "last checkpoint completed"
    words = f"{what} {age_s:.0f} s ago (limit {limit_s:.0f} s), {facts.failed_since_completed} failed since"
    return Verdict(age_s <= limit_s, words, metadata=figures)


def no_restart_storm(restarts_in_window: int | None, window_s: float, warn_at: int, error_at: int) -> Verdict:
    """Restarts heal; many of them within the window mean that something does not."""
    if restarts_in_window is None:
        return Verdict(False, "no job is active", metadata={})
    figures: dict[str, Number] = {"restarts_in_window": restarts_in_window, "window_s": window_s}
    words = f"{restarts_in_window} restarts within {window_s / 60:.0f} min"
    if restarts_in_window < warn_at:
        return Verdict(True, words, metadata=figures)
    severity = Severity.ERROR if restarts_in_window >= error_at else Severity.WARN
    return Verdict(False, f"{words}: see the job's exceptions in Flink's UI", severity, figures)


def retention_ahead(
    lag: int, left_s: float | None, retention_s: float, warn_share: float, error_share: float
) -> Verdict:
    """Kafka must keep what the job has still to read; `left_s` until it may remove the oldest such record.

    None where that is not known. The shares are of the retention; below 0 it keeps everything.
    """
    figures: dict[str, Number] = {"lag": lag}
    if retention_s < 0 or lag == 0:
        words = "nothing waits to be read" if lag == 0 else "the topic keeps its records for ever"
        return Verdict(True, words, metadata=figures)
    if left_s is None:
        return unknown("the timestamp of the oldest record that waits could not be read; see kafka.log")
    figures["days_left"] = round(left_s / 86_400, 3)
    words = f"{lag:,} records wait, and Kafka keeps the oldest of them for {seconds(max(0.0, left_s))} more"
    if left_s > warn_share * retention_s:
        return Verdict(True, words, metadata=figures)
    severity = Severity.WARN if left_s > error_share * retention_s else Severity.ERROR
    return Verdict(False, f"{words}: let the job catch up, or raise the topic's retention.ms", severity, figures)


def utc(at_s: float) -> str:
    """A moment (Unix time) for a person."""
    return datetime.fromtimestamp(at_s, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def seconds(span_s: float) -> str:
    """A span of time for a person: `12 s`, `5 min`, `3.2 h`, `2.5 days`."""
    for limit_s, unit_s, form in ((120, 1, "{:.0f} s"), (7_200, 60, "{:.0f} min"), (172_800, 3_600, "{:.1f} h")):
        if span_s < limit_s:
            return form.format(span_s / unit_s)
    return f"{span_s / 86_400:.1f} days"
