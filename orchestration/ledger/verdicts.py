"""Verdicts of the ledger: pure functions of plain values, each the whole decision behind one asset check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestration.ledger.accounting import Fate, PartitionTotals
from orchestration.ledger.offsets import OffsetSet
from orchestration.verdicts import Number, Severity, Verdict

NOTHING_AUDITED = "nothing is audited yet: the job has committed no offset, or the ledger has not run"
SHOWN_RANGES = 10
SHOWN_HOURS = 5


@dataclass(frozen=True)
class DeepAuditFacts:
    """The last deep audit; open findings by kind (of those that are stored), and examples of them in words.

    `finished` is False while it runs, and of one that was cut off.
    """

    age_s: float
    finished: bool
    records: int
    counts: Mapping[str, int]
    examples: Sequence[str] = ()


@dataclass(frozen=True)
class Tally:
    """Offsets audited, and how many of them are dead letters."""

    audited: int
    dead: int


def nothing_lost(
    totals: Mapping[int, PartitionTotals], lost: Mapping[int, OffsetSet], gone: Mapping[int, OffsetSet]
) -> Verdict:
    """No offset may be LOST (valid, readable, not landed) or gone (removed before the job could have read it).

    What is gone may be acknowledged, and `gone` are those that are not; what is LOST may never be.
    """
    lost_count, gone_count, known = total(totals, Fate.LOST), total(totals, Fate.GONE), acknowledged(totals)
    figures: dict[str, Number] = {"lost": lost_count, "gone": gone_count, "gone_acknowledged": known}
    if not totals:
        return Verdict(True, NOTHING_AUDITED, metadata=figures)
    wrong = [("LOST", lost_count, lost), ("gone", gone_count - known, gone)]
    told = [f"{count:,} {word}: {places(where)}" for word, count, where in wrong if count]
    words = told or [f"all of {_covered(totals):,} audited offsets are accounted for"]
    accepted = [f"{known:,} gone, acknowledged"] if known else []
    return Verdict(not told, "; ".join(words + accepted), metadata=figures)


def offsets_balance(totals: Mapping[int, PartitionTotals]) -> Verdict:
    """landed + superseded + dead + gone + LOST must equal the audited offsets in each partition, without a gap."""
    figures: dict[str, Number] = {f"audited_{number}": t.span.end - t.span.begin for number, t in totals.items()}
    if not totals:
        return Verdict(True, NOTHING_AUDITED)
    if wrong := [number for number, partition in sorted(totals.items()) if not partition.is_balanced]:
        return Verdict(False, "; ".join(_imbalance(number, totals[number]) for number in wrong), metadata=figures)
    return Verdict(True, f"the fates of {_covered(totals):,} offsets add up in every partition", metadata=figures)


def audit_keeps_up(backlog: Mapping[int, int], audited_age_s: float | None, patience_s: float) -> Verdict:
    """The ledger must follow the job's commits: a verdict on old offsets says nothing of the new ones.

    `backlog`: committed offsets that are not audited; `audited_age_s`: since the last audit, None if there was none.
    """
    waiting = sum(backlog.values())
    figures: dict[str, Number] = {"backlog": waiting}
    if not waiting:
        return Verdict(True, "everything that the job has committed is audited", metadata=figures)
    if audited_age_s is not None and audited_age_s <= patience_s:
        words = f"{waiting:,} committed offsets wait; the ledger moved {audited_age_s:.0f} s ago"
        return Verdict(True, words, metadata=figures)
    since = "it has never run" if audited_age_s is None else f"it last moved {audited_age_s:.0f} s ago"
    return Verdict(
        False,
        f"{waiting:,} committed offsets are not audited and {since} (limit {patience_s:.0f} s): see the ticks of "
        "ledger_sensor, or launch ledger_pass",
        metadata=figures,
    )


def dead_letter_share(now: Tally, then: Tally | None, window_s: float, warn: float, error: float) -> Verdict:
    """The share of dead letters among the offsets audited within the window, that is since `then`.

    Without an earlier tally, or if the ledger was made anew since, everything audited counts.
    """
    started = then if then is not None and then.audited <= now.audited and then.dead <= now.dead else Tally(0, 0)
    audited, dead = now.audited - started.audited, now.dead - started.dead
    share = dead / audited if audited else 0.0
    figures: dict[str, Number] = {"share": round(share, 6), "audited": audited, "dead": dead, "window_s": window_s}
    words = f"{dead:,} of {audited:,} events audited within {window_s / 60:.0f} min are dead letters ({share:.2%})"
    if dead == 0 or share < warn:
        return Verdict(True, words, metadata=figures)
    severity, limit = (Severity.ERROR, error) if share >= error else (Severity.WARN, warn)
    advice = f"limit {limit:.0%}; the reasons are in dead_letters: is a producer's new version at fault?"
    return Verdict(False, f"{words}, {advice}", severity, figures)


def letters_kept(deleted: Mapping[int, OffsetSet], window_s: float) -> Verdict:
    """Nobody may delete a dead letter: it is the only trace of its event.

    `deleted`: letters that are missing, or that a pass found missing within the window and restored from Kafka.
    """
    count = sum(found.count for found in deleted.values())
    if not count:
        return Verdict(True, "every dead letter of the ledger is there", metadata={"deleted": 0})
    words = f"{count:,} dead letters were deleted within {window_s / 60:.0f} min: {places(deleted)}"
    advice = "a pass restores them from Kafka, their redrive state is unknown"
    return Verdict(False, f"{words}; {advice}", metadata={"deleted": count})


def produced_equals_acknowledged(acknowledged: Mapping[int, int], ends: Mapping[int, int]) -> Verdict:
    """Every event that the broker acknowledged to our producers must have its offset.

    `ends`: end offsets, read after `acknowledged`. Fewer offsets than acknowledgements is a loss: the broker took
    events and lost them, or the topic was made anew. More is none: others produce too, redrives do, and the producers'
    reports are a moment old.
    """
    missing = {n: count - ends.get(n, 0) for n, count in sorted(acknowledged.items()) if count > ends.get(n, 0)}
    others = sum(max(0, end - acknowledged.get(number, 0)) for number, end in ends.items())
    figures: dict[str, Number] = {
        "acknowledged": sum(acknowledged.values()),
        "offsets": sum(ends.values()),
        "by_others": others,
        "missing": sum(missing.values()),
    }
    if missing:
        where = ", ".join(f"partition {number}: {count:,}" for number, count in missing.items())
        return Verdict(
            False, f"acknowledged events that the topic has no offset for ({where}): was the topic made anew?",
            metadata=figures,
        )  # fmt: skip
    words = f"all {figures['acknowledged']:,} acknowledged events have an offset"
    further = f"{words}; {others:,} further offsets are of other producers, of redrives, or not reported yet"
    return Verdict(True, further if others else words, metadata=figures)


def deep_audit_clean(last: DeepAuditFacts | None) -> Verdict:
    """No finding of a deep audit may be open; an audit that is under way counts as far as it has come."""
    if last is None:
        return Verdict(True, "no deep audit has run yet; it is scheduled, or launch the job deep_audit")
    figures: dict[str, Number] = {"records": last.records, "age_h": round(last.age_s / 3600, 2), **last.counts}
    state = f"the last deep audit, {last.age_s / 3600:.1f} h ago,{'' if last.finished else ' has not finished and'}"
    if not any(last.counts.values()):
        return Verdict(True, f"{state} left no finding open", metadata=figures)
    found = ", ".join(f"{count:,} {kind}" for kind, count in last.counts.items() if count)
    words = f"{state} left findings open: {found}; such as {'; '.join(last.examples)}"
    return Verdict(False, words, Severity.ERROR, figures)


def hours_complete(waiting: Sequence[str], reported: int, patience_s: float) -> Verdict:
    """Hours must become complete within the patience after their end; `waiting` are those that did not."""
    figures: dict[str, Number] = {"complete": reported, "waiting": len(waiting)}
    if not waiting:
        return Verdict(True, f"{reported:,} hours are complete, none waits", metadata=figures)
    listed = ", ".join(waiting[:SHOWN_HOURS]) + (" and more" if len(waiting) > SHOWN_HOURS else "")
    words = f"{len(waiting)} hours have been over for {patience_s / 60:.0f} min and are not complete: {listed}"
    return Verdict(False, f"{words}; see the checks of ledger", metadata=figures)


def places(offsets: Mapping[int, OffsetSet]) -> str:
    """Offsets for a person to read: `partition 2: 17, 20-29`; of each partition the first ranges."""
    return "; ".join(f"partition {number}: {shown(found)}" for number, found in sorted(offsets.items()) if found)


def shown(offsets: OffsetSet) -> str:
    """Offsets of one partition for a person to read: `17, 20-29`, the first ranges."""
    words = [f"{r.begin}" if r.end == r.begin + 1 else f"{r.begin}-{r.end - 1}" for r in offsets.ranges[:SHOWN_RANGES]]
    return ", ".join(words) + (" and more" if len(offsets.ranges) > SHOWN_RANGES else "")


def _imbalance(number: int, totals: PartitionTotals) -> str:
    width = totals.span.end - totals.span.begin
    fates = " + ".join(f"{count:,} {fate.value}" for fate, count in totals.counts.items() if count) or "nothing"
    return f"partition {number}: {fates} of {totals.covered:,} offsets covered, and {width:,} audited"


def total(totals: Mapping[int, PartitionTotals], fate: Fate) -> int:
    """Offsets of this fate, over all partitions."""
    return sum(partition.counts.get(fate, 0) for partition in totals.values())


def acknowledged(totals: Mapping[int, PartitionTotals]) -> int:
    """Offsets that are gone and acknowledged, over all partitions."""
    return sum(partition.acknowledged for partition in totals.values())


def _covered(totals: Mapping[int, PartitionTotals]) -> int:
    return sum(partition.covered for partition in totals.values())


def tally(totals: Iterable[PartitionTotals]) -> Tally:
    """The tally of the whole ledger."""
    found = list(totals)
    return Tally(sum(t.covered for t in found), sum(t.counts.get(Fate.DEAD, 0) for t in found))
