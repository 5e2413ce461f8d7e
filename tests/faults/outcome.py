"""What a trial has shown, and the verdict on it: pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from tests.faults.comparison import Comparison


class Verdict(str, Enum):
    """Unknown: nothing visibly broke, or the trial itself failed, so nothing is proved. Both it and red fail the suite.

    Not run: it cannot be done on this machine.
    """

    GREEN = "green"
    RED = "red"
    UNKNOWN = "unknown"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class Goals:
    """What a fault demands; see `tests.faults.fault.Fault`."""

    recovery_s: float
    detection_s: float = 45.0
    red: str | None = None
    causes: tuple[str, ...] = ()
    stays_red: bool = False
    loses_records: bool = False
    standstill_s: float | None = None


@dataclass(frozen=True)
class Figures:
    """What was measured. Seconds are None where the thing did not happen.

    Attributes:
        causes: what the red check named, in that order.
        ledger_lost, ledger_gone: by how many offsets the ledger's sums grew.
        jobs_at_once: the most jobs of our name that were ever active together.
        standstill_s: the longest time in which no row landed.
        complaints: the fault's own, and errors of the trial.
    """

    bit: bool = False
    detected_s: float | None = None
    causes: tuple[str, ...] = ()
    recovered_s: float | None = None
    green_again_s: float | None = None
    settled: bool = False
    comparison: Comparison | None = None
    ledger_lost: int = 0
    ledger_gone: int = 0
    balanced: bool = False
    jobs_at_once: int = 0
    standstill_s: float | None = None
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """One row of the table of results; figures are None where the trial did not come so far."""

    name: str
    group: str
    verdict: Verdict
    detected_s: float | None = None
    causes: tuple[str, ...] = ()
    recovered_s: float | None = None
    green_again_s: float | None = None
    standstill_s: float | None = None
    acknowledged: int | None = None
    lost: int | None = None
    doubled: int | None = None
    phantom: int | None = None
    wrong: int | None = None
    gone: int | None = None
    notes: list[str] = field(default_factory=list)


def judge(name: str, group: str, goals: Goals, figures: Figures) -> Outcome:
    """Red if anything is amiss; unknown if nothing is, but nothing broke either."""
    notes = [*_data(goals, figures), *_times(goals, figures), *figures.complaints]
    verdict = Verdict.RED if notes else Verdict.GREEN
    if not figures.bit:
        notes.append("nothing visibly broke")
        verdict = Verdict.UNKNOWN if len(notes) == 1 else Verdict.RED
    found = figures.comparison or Comparison()
    known = figures.comparison is not None
    return Outcome(
        name,
        group,
        verdict,
        figures.detected_s,
        figures.causes,
        figures.recovered_s,
        figures.green_again_s,
        figures.standstill_s,
        found.acknowledged if known else None,
        found.lost if known else None,
        found.doubled if known else None,
        found.phantom if known else None,
        found.wrong if known else None,
        found.gone if known else None,
        notes,
    )


def _data(goals: Goals, figures: Figures) -> Iterator[str]:
    """Of the events: everything acknowledged is in the table once, and the ledger agrees."""
    if figures.comparison is None:
        yield "the table was not compared"
    else:
        for kind in ("lost", "wrong", "doubled", "phantom"):
            if number := getattr(figures.comparison, kind):
                yield f"{number:,} {kind}, such as {', '.join(figures.comparison.examples.get(kind, ['?']))}"
        if not figures.comparison.acknowledged:
            yield "no event was acknowledged"
    if not figures.settled:
        yield "not everything was committed and accounted for in time"
    if figures.ledger_lost:
        yield f"the ledger has {figures.ledger_lost:,} LOST"
    if not figures.balanced:
        yield "the ledger does not balance"
    if bool(figures.ledger_gone) != goals.loses_records:
        yield f"the ledger has {figures.ledger_gone:,} gone"
    if figures.jobs_at_once > 1:
        yield f"{figures.jobs_at_once} jobs of our name at once"


def _times(goals: Goals, figures: Figures) -> Iterator[str]:
    if figures.recovered_s is None:
        yield "did not recover by itself"
    elif figures.recovered_s > goals.recovery_s:
        yield f"recovered after {figures.recovered_s:.0f} s, goal {goals.recovery_s:.0f} s"
    if goals.standstill_s is not None and (figures.standstill_s or 0) > goals.standstill_s:
        yield f"no row landed for {figures.standstill_s:.0f} s, limit {goals.standstill_s:.0f} s"
    if goals.red is None:
        return
    if figures.detected_s is None:
        yield f"{goals.red} never went red"
    elif figures.detected_s > goals.detection_s:
        yield f"{goals.red} went red after {figures.detected_s:.0f} s, goal {goals.detection_s:.0f} s"
    if figures.detected_s is not None and goals.causes and not set(goals.causes) & set(figures.causes):
        yield f"{goals.red} named {', '.join(figures.causes) or 'no cause'}, not {' or '.join(goals.causes)}"
    if figures.detected_s is not None and figures.green_again_s is None and not goals.stays_red:
        yield f"{goals.red} did not turn green again"
