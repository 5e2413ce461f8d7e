"""Every verdict of the ledger, as a table."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from orchestration.ledger.accounting import Fate, PartitionTotals
from orchestration.ledger.offsets import NONE, OffsetRange, OffsetSet
from orchestration.ledger.verdicts import (
    DeepAuditFacts,
    Tally,
    audit_keeps_up,
    dead_letter_share,
    deep_audit_clean,
    hours_complete,
    letters_kept,
    nothing_lost,
    offsets_balance,
    places,
    produced_equals_acknowledged,
    tally,
)
from orchestration.verdicts import Severity


def totals(begin: int, end: int, covered: int | None = None, acknowledged: int = 0, **counts: int) -> PartitionTotals:
    """Totals of one partition; what `counts` does not name landed."""
    named = {Fate(name): count for name, count in counts.items()}
    width = end - begin if covered is None else covered
    fates = dict.fromkeys(Fate, 0) | {Fate.LANDED: width - sum(named.values())} | named
    return PartitionTotals(OffsetRange(begin, end), width, fates, acknowledged)


def offsets(*numbers: int) -> OffsetSet:
    return OffsetSet.of_offsets(numbers)


@pytest.mark.parametrize(
    ("ledger", "lost", "gone", "passed", "words"),
    [
        ({}, {}, {}, True, "nothing is audited yet"),
        ({0: totals(0, 100, dead=7), 1: totals(5, 9)}, {}, {}, True, "all of 104 audited offsets are accounted for"),
        ({0: totals(0, 100, lost=1)}, {0: offsets(17)}, {0: NONE}, False, "1 LOST: partition 0: 17"),
        (
            {0: totals(0, 100, lost=3), 2: totals(0, 9, lost=1)},
            {0: offsets(17, 18, 30), 2: offsets(4)},
            {},
            False,
            "4 LOST: partition 0: 17-18, 30; partition 2: 4",
        ),
        ({0: totals(0, 100, gone=20)}, {}, {0: offsets(*range(20))}, False, "20 gone: partition 0: 0-19"),
        (
            {0: totals(0, 100, gone=1, lost=1)},
            {0: offsets(9)},
            {0: offsets(0)},
            False,
            "1 LOST: partition 0: 9; 1 gone: partition 0: 0",
        ),
        (
            {0: totals(0, 100, gone=20, acknowledged=20), 1: totals(0, 9)},
            {},
            {},
            True,
            "all of 109 audited offsets are accounted for; 20 gone, acknowledged",
        ),
        # Of another partition, or of the same one, but later.
        (
            {0: totals(0, 100, gone=20, acknowledged=20), 1: totals(0, 9, gone=2)},
            {},
            {1: offsets(3, 4)},
            False,
            "2 gone: partition 1: 3-4; 20 gone, acknowledged",
        ),
        (
            {0: totals(0, 100, gone=23, acknowledged=20)},
            {},
            {0: offsets(50, 51, 60)},
            False,
            "3 gone: partition 0: 50-51, 60; 20 gone, acknowledged",
        ),
        (
            {0: totals(0, 100, gone=20, lost=1, acknowledged=20)},
            {0: offsets(40)},
            {},
            False,
            "1 LOST: partition 0: 40; 20 gone, acknowledged",
        ),
    ],
)
def test_nothing_lost(
    ledger: Mapping[int, PartitionTotals],
    lost: Mapping[int, OffsetSet],
    gone: Mapping[int, OffsetSet],
    passed: bool,
    words: str,
) -> None:
    verdict = nothing_lost(ledger, lost, gone)
    assert (verdict.passed, verdict.severity) == (passed, Severity.ERROR)
    assert words in verdict.description
    counted = {name: sum(t.counts[Fate(name)] for t in ledger.values()) for name in ("lost", "gone")}
    assert verdict.metadata == counted | {"gone_acknowledged": sum(t.acknowledged for t in ledger.values())}


def test_long_lists_of_offsets_are_cut() -> None:
    assert places({3: offsets(*range(0, 60, 2))}) == "partition 3: 0, 2, 4, 6, 8, 10, 12, 14, 16, 18 and more"


@pytest.mark.parametrize(
    ("ledger", "passed", "words"),
    [
        ({}, True, "nothing is audited yet"),
        ({0: totals(0, 10, dead=3, superseded=2), 1: totals(5, 5)}, True, "10 offsets add up"),
        # One count too many, one too few, a gap in the ledger, a range counted twice.
        (
            {0: totals(0, 10, landed=8, dead=3)},
            False,
            "partition 0: 8 landed + 3 dead of 10 offsets covered, and 10 audited",
        ),
        ({0: totals(0, 10), 1: totals(0, 10, landed=9)}, False, "partition 1: 9 landed of 10"),
        ({0: totals(0, 10, covered=8)}, False, "of 8 offsets covered, and 10 audited"),
        ({0: totals(0, 10, covered=12)}, False, "of 12 offsets covered, and 10 audited"),
        ({0: totals(0, 10, landed=0)}, False, "partition 0: nothing of 10"),
    ],
)
def test_offsets_balance(ledger: Mapping[int, PartitionTotals], passed: bool, words: str) -> None:
    verdict = offsets_balance(ledger)
    assert verdict.passed is passed
    assert words in verdict.description


@pytest.mark.parametrize(
    ("backlog", "age_s", "passed", "words"),
    [
        ({}, None, True, "is audited"),
        ({0: 0, 1: 0}, 9_999.0, True, "is audited"),
        ({0: 1_000, 1: 500}, 60.0, True, "1,500 committed offsets wait; the ledger moved 60 s ago"),
        ({0: 1}, 60.5, False, "it last moved 60 s ago (limit 60 s)"),
        ({0: 1}, None, False, "it has never run"),
    ],
)
def test_audit_keeps_up(backlog: Mapping[int, int], age_s: float | None, passed: bool, words: str) -> None:
    verdict = audit_keeps_up(backlog, age_s, 60.0)
    assert verdict.passed is passed
    assert words in verdict.description


@pytest.mark.parametrize(
    ("now", "then", "passed", "severity", "words"),
    [
        (Tally(0, 0), None, True, None, "0 of 0 events"),
        (Tally(1_000, 49), None, True, None, "49 of 1,000 events audited within 15 min are dead letters (4.90%)"),
        (Tally(1_000, 50), None, False, Severity.WARN, "(5.00%), limit 5%"),
        (Tally(1_000, 500), None, False, Severity.ERROR, "(50.00%), limit 50%"),
        # What was bad before the window neither shouts nor drowns what is bad in it.
        (Tally(2_000, 900), Tally(1_000, 900), True, None, "0 of 1,000"),
        (Tally(1_000_100, 60), Tally(1_000_000, 0), False, Severity.ERROR, "60 of 100"),
        (Tally(500, 400), Tally(500, 400), True, None, "0 of 0"),
        # A ledger that was made anew.
        (Tally(100, 1), Tally(1_000, 0), True, None, "1 of 100"),
        (Tally(100, 1), Tally(90, 2), True, None, "1 of 100"),
    ],
)
def test_dead_letter_share(now: Tally, then: Tally | None, passed: bool, severity: Severity | None, words: str) -> None:
    verdict = dead_letter_share(now, then, 900.0, warn=0.05, error=0.5)
    assert verdict.passed is passed
    assert severity is None or verdict.severity is severity
    assert words in verdict.description


def test_a_single_dead_letter_passes_only_under_a_limit() -> None:
    assert dead_letter_share(Tally(100, 0), None, 900.0, 0.0, 0.0).passed
    assert not dead_letter_share(Tally(100, 1), None, 900.0, 0.0, 0.5).passed


@pytest.mark.parametrize(
    ("acknowledged", "ends", "passed", "words"),
    [
        ({}, {}, True, "all 0 acknowledged events have an offset"),
        ({0: 10, 1: 5}, {0: 10, 1: 5}, True, "all 15 acknowledged events have an offset"),
        ({0: 10}, {0: 14, 1: 6}, True, "10 further offsets are of other producers"),
        ({0: 10}, {0: 9}, False, "partition 0: 1): was the topic made anew?"),
        # One partition's surplus does not hide another's loss.
        ({0: 1_500, 1: 5}, {0: 0, 1: 9_999}, False, "partition 0: 1,500"),
        ({3: 2}, {}, False, "partition 3: 2"),
    ],
)
def test_produced_equals_acknowledged(
    acknowledged: Mapping[int, int], ends: Mapping[int, int], passed: bool, words: str
) -> None:
    verdict = produced_equals_acknowledged(acknowledged, ends)
    assert (verdict.passed, verdict.severity) == (passed, Severity.ERROR)
    assert words in verdict.description


@pytest.mark.parametrize(
    ("facts", "passed", "words"),
    [
        (None, True, "no deep audit has run yet"),
        (DeepAuditFacts(5_400, True, 10, {}), True, "the last deep audit, 1.5 h ago, left no finding open"),
        (DeepAuditFacts(60, True, 10, {"altered": 0}), True, "left no finding open"),
        (DeepAuditFacts(60, False, 10, {}), True, "has not finished and left no finding open"),
        (
            DeepAuditFacts(60, True, 10, {"altered": 2, "lost": 1}, ["partition 0, offset 4: altered"]),
            False,
            "left findings open: 2 altered, 1 lost; such as partition 0, offset 4: altered",
        ),
        (DeepAuditFacts(60, False, 10, {"phantom": 1}), False, "has not finished and left findings open: 1 phantom"),
    ],
)
def test_deep_audit_clean(facts: DeepAuditFacts | None, passed: bool, words: str) -> None:
    verdict = deep_audit_clean(facts)
    assert verdict.passed is passed
    assert words in verdict.description


@pytest.mark.parametrize("kind", ["altered", "invalid_landed", "lost"])
def test_any_finding_is_an_error(kind: str) -> None:
    verdict = deep_audit_clean(DeepAuditFacts(60, True, 10, {kind: 1}))
    assert (verdict.passed, verdict.severity) == (False, Severity.ERROR)


@pytest.mark.parametrize(
    ("deleted", "passed", "words"),
    [
        ({}, True, "every dead letter of the ledger is there"),
        ({0: NONE}, True, "every dead letter of the ledger is there"),
        (
            {1: offsets(4, 5), 3: offsets(9)},
            False,
            "3 dead letters were deleted within 15 min: partition 1: 4-5; partition 3: 9",
        ),
    ],
)
def test_letters_kept(deleted: dict[int, OffsetSet], passed: bool, words: str) -> None:
    verdict = letters_kept(deleted, 900.0)
    assert (verdict.passed, words in verdict.description) == (passed, True)


@pytest.mark.parametrize(
    ("waiting", "passed", "words"),
    [
        ([], True, "7 hours are complete, none waits"),
        (["2026-03-01-10:00"], False, "1 hours have been over for 15 min and are not complete: 2026-03-01-10:00;"),
        ([f"2026-03-01-{hour:02}:00" for hour in range(9)], False, "2026-03-01-04:00 and more"),
    ],
)
def test_hours_complete(waiting: list[str], passed: bool, words: str) -> None:
    verdict = hours_complete(waiting, 7, 900.0)
    assert verdict.passed is passed
    assert words in verdict.description


def test_tally() -> None:
    assert tally([totals(0, 10, dead=3), totals(10, 20, dead=1, lost=2)]) == Tally(20, 4)
    assert tally([]) == Tally(0, 0)
