"""The diagnosis: one pure function from two snapshots to the cause of the stream's state, in an operator's words.

It judges by progress, committed offsets and landed rows, and asks for states only to say why there is none. The order
of the rules is the precedence of the causes: what cannot be mended any more, what is wanted, which server is away, what
the job does, and last how the records flow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from orchestration.health import rules_flow, rules_job, rules_servers
from orchestration.health.causes import FINE, GRAVITY, TITLES, Cause, Gravity
from orchestration.health.facts import StreamFacts
from orchestration.health.track import Track, advance
from orchestration.health.view import Finding, Limits, View
from orchestration.verdicts import Number, Severity, Verdict, utc

RULES: Final[tuple[Callable[[View], Finding | None], ...]] = (
    rules_job.not_launched,
    rules_flow.retention_passed,
    rules_flow.source_replaced,
    rules_job.stopped,
    rules_job.unreachable,
    rules_job.ambiguous,
    rules_job.fenced,
    rules_servers.source_unreachable,
    rules_servers.sink_unreachable,
    rules_servers.sink_locked,
    rules_job.none_active,
    rules_job.sink_refuses,
    rules_job.checkpoints_fail,
    rules_job.crash_loop,
    rules_job.recovering,
    rules_job.checkpoints_late,
    rules_flow.every_record_rejected,
    rules_flow.stuck,
    rules_flow.coming_back,
    rules_flow.retention_near,
    rules_flow.behind,
    rules_flow.well,
)

Figures = dict[str, Number]


@dataclass(frozen=True)
class Memory:
    """What a diagnosis hands to the next: the track of progress, and which cause has held since when (Unix seconds)."""

    track: Track
    cause: Cause
    since_s: float


@dataclass(frozen=True)
class Diagnosis:
    """Why the stream is as it is, since when; `severity` matters only if it is not `ok`. `figures` are for plots."""

    cause: Cause
    ok: bool
    severity: Severity
    words: str
    since_s: float
    memory: Memory
    figures: Figures = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The diagnosis as the verdict of a check."""
        return Verdict(self.ok, self.words, self.severity, {"cause": self.cause.value, **self.figures})


def diagnose(current: StreamFacts, previous: Memory | None, limits: Limits) -> Diagnosis:
    """The cause that comes first in the order of the rules; without a `previous`, progress is not known yet."""
    track = advance(previous.track if previous else None, current)
    view = View(current, track, limits, previous.cause if previous else None)
    finding = next(found for rule in RULES if (found := rule(view)))
    since_s = previous.since_s if previous and previous.cause is finding.cause else current.at_s
    return Diagnosis(
        finding.cause,
        finding.cause in FINE,
        finding.severity or _severity(finding.cause, since_s, view),
        _words(finding, since_s, view),
        since_s,
        Memory(track, finding.cause, since_s),
        _figures(view) | {"since": utc(since_s)},
    )


def _severity(cause: Cause, since_s: float, view: View) -> Severity:
    gravity = GRAVITY[cause]
    lasts = view.stalled or view.age_s(since_s) > view.limits.heal_s
    error = gravity is Gravity.ERROR or (gravity is Gravity.UNTIL_STALLED and lasts)
    return Severity.ERROR if error else Severity.WARN


def _words(finding: Finding, since_s: float, view: View) -> str:
    near = rules_flow.retention_near(view) if finding.cause not in FINE else None
    parts = [finding.detail, near.detail if near and near.cause is not finding.cause else "", finding.advice]
    return f"{TITLES[finding.cause]} since {utc(since_s)}: {'; '.join(filter(None, parts))}"


def _figures(view: View) -> Figures:
    """What is not known is absent."""
    figures: Figures = {"progress_age_s": round(view.progress_age_s, 1)}
    if view.kafka:
        figures |= {"lag": view.kafka.lag, "behind_s": round(view.track.behind_s, 1)}
        if (left_s := rules_flow.retention_left_s(view.kafka, view.facts.at_s)) is not None:
            figures["retention_left_days"] = round(left_s / 86_400, 3)
    if job := view.active_job:
        figures |= {
            "job_id": job.id,
            "state": job.state,
            "tasks_running": job.tasks_running,
            "failures": len(job.failures),
        }
        if job.restarts is not None:
            figures["restarts"] = job.restarts
        if job.checkpoints.completed_at_s is not None:
            figures["checkpoint_age_s"] = round(view.age_s(job.checkpoints.completed_at_s), 1)
    return figures
