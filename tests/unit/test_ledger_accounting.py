from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.ledger.accounting import (
    UNLANDED,
    Account,
    Fate,
    PartitionPass,
    PartitionTotals,
    PassReport,
    account,
    adjoining,
    fate_of_valid,
    keep_last_verdicts,
    merge,
    remainder,
)
from orchestration.ledger.offsets import NONE, OffsetRange, OffsetSet
from orchestration.ledger.reader import plan_runs
from orchestration.ledger.store import moment_of


def offsets(*numbers: int) -> OffsetSet:
    return OffsetSet.of_offsets(numbers)


def an_account(begin: int, end: int, **unlanded: OffsetSet) -> Account:
    sets = {fate: unlanded.get(fate.value, NONE) for fate in UNLANDED}
    return Account(OffsetRange(begin, end), end - begin - sum(found.count for found in sets.values()), sets)


@given(st.fixed_dictionaries({fate: st.sets(st.integers(0, 30)) for fate in Fate}))
def test_no_offset_has_two_fates(claims: dict[Fate, set[int]]) -> None:
    found = account(OffsetRange(5, 25), {fate: OffsetSet.of_offsets(claimed) for fate, claimed in claims.items()})
    claimed = {offset for some in claims.values() for offset in some if 5 <= offset < 25}
    assert sum(found.counts.values()) == len(claimed)
    assert found.is_balanced is (len(claimed) == 20)
    for offset in claimed:
        first = next(fate for fate in Fate if offset in claims[fate])
        holders = [fate for fate in UNLANDED if offset in set(found.unlanded[fate])]
        assert holders == ([] if first is Fate.LANDED else [first])


def test_an_offset_that_nobody_claims_unbalances() -> None:
    assert not account(OffsetRange(0, 3), {Fate.LANDED: offsets(0, 2)}).is_balanced


@pytest.mark.parametrize(
    ("rows", "fate"),
    [
        ([], Fate.LOST),
        ([(1, 7)], Fate.LANDED),
        ([(1, 8)], Fate.SUPERSEDED),
        ([(1, 6)], Fate.LOST),
        ([(0, 6)], Fate.SUPERSEDED),
        ([(None, None)], Fate.LOST),
        ([(1, None)], Fate.LOST),
        ([(1, 6), (1, 7)], Fate.LANDED),
        ([(1, 6), (1, 9)], Fate.SUPERSEDED),
    ],
)
def test_fate_of_a_valid_record(rows: list[tuple[int | None, int | None]], fate: Fate) -> None:
    assert fate_of_valid(1, 7, rows) is fate


def test_merging_and_splitting_lose_nothing() -> None:
    first = an_account(0, 10, dead=offsets(1, 9), lost=offsets(3))
    second = an_account(10, 30, dead=offsets(10, 29), superseded=offsets(11))
    whole = merge([first, second])
    assert whole == an_account(0, 30, dead=offsets(1, 9, 10, 29), lost=offsets(3), superseded=offsets(11))
    assert remainder(whole, 10) == second
    assert remainder(whole, 29) == an_account(29, 30, dead=offsets(29))


def test_only_adjoining_accounts_are_merged() -> None:
    first, second, far = an_account(0, 5), an_account(5, 7), an_account(8, 9)
    assert adjoining([first, second, far]) == [first, second]
    assert adjoining([first, far, second]) == [first]


def test_the_last_verdict_stands_for_what_cannot_be_read_any_more() -> None:
    before = dict.fromkeys(Fate, NONE) | {Fate.LOST: offsets(2, 8), Fate.DEAD: offsets(3)}
    found = dict.fromkeys(Fate, NONE) | {Fate.GONE: offsets(1, 2, 3), Fate.LANDED: offsets(8)}
    assert keep_last_verdicts(found, before) == {
        Fate.LANDED: offsets(1, 8),
        Fate.DEAD: NONE,
        Fate.SUPERSEDED: NONE,
        Fate.GONE: offsets(3),
        Fate.LOST: offsets(2),
    }


@pytest.mark.parametrize(
    ("covered", "landed", "balanced"), [(10, 9, True), (9, 8, False), (11, 10, False), (10, 8, False)]
)
def test_totals_balance_if_nothing_is_missing_or_counted_twice(covered: int, landed: int, balanced: bool) -> None:
    counts = dict.fromkeys(Fate, 0) | {Fate.LANDED: landed, Fate.DEAD: 1}
    totals = PartitionTotals(OffsetRange(5, 15), covered, counts)
    assert totals.is_balanced is balanced
    assert PassReport("t", True, {}, {0: totals}, {}, {}, 1.0, 1).is_balanced is balanced


@pytest.mark.parametrize(("end", "committed", "complete"), [(5, 5, True), (4, 5, False), (5, 3, True)])
def test_a_pass_is_complete_at_the_committed_offset(end: int, committed: int, complete: bool) -> None:
    progress = PartitionPass(OffsetRange(0, end), committed, {})
    report = PassReport("t", True, {0: progress}, {}, {}, {}, 1.0, 1)
    assert report.is_complete is complete
    assert progress.backlog == (0 if complete else 1)


@pytest.mark.parametrize(
    ("wanted", "runs"),
    [
        ([], []),
        ([5], [(5, 6)]),
        ([5, 8], [(5, 9)]),
        ([5, 16], [(5, 17)]),
        ([5, 17], [(5, 6), (17, 18)]),
        ([1, 2, 30, 35, 60], [(1, 3), (30, 36), (60, 61)]),
    ],
)
def test_gaps_are_skipped_where_a_seek_is_cheaper(wanted: list[int], runs: list[tuple[int, int]]) -> None:
    assert plan_runs(OffsetSet.of_offsets(wanted), seek_worth_records=10) == [OffsetRange(*run) for run in runs]


@pytest.mark.parametrize(
    ("timestamp_ms", "moment"),
    [
        (0, datetime(1970, 1, 1, tzinfo=timezone.utc)),
        (1_767_225_600_123, datetime(2026, 1, 1, 0, 0, 0, 123_000, tzinfo=timezone.utc)),
        (-1, None),
        (2**63 - 1, None),
        (-(2**63), None),
    ],
)
def test_moment_of_any_timestamp(timestamp_ms: int, moment: datetime | None) -> None:
    assert moment_of(timestamp_ms) == moment
