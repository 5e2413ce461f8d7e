from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.ledger.offsets import NONE, OffsetRange, OffsetSet

OFFSETS = st.sets(st.integers(0, 40))


@given(OFFSETS, OFFSETS)
def test_sets_of_ranges_are_sets(left: set[int], right: set[int]) -> None:
    a, b = OffsetSet.of_offsets(left), OffsetSet.of_offsets(right)
    for found, wanted in ((a | b, left | right), (a & b, left & right), (a - b, left - right), (b - a, right - left)):
        assert list(found) == sorted(wanted)
        assert found.count == len(wanted)
        assert bool(found) is bool(wanted)
        assert found == OffsetSet.of_offsets(wanted), "one set has one form"


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))))
def test_ranges_may_overlap_touch_and_be_empty(ends: list[tuple[int, int]]) -> None:
    ranges = [OffsetRange(min(pair), max(pair)) for pair in ends]
    found = OffsetSet.of_ranges(ranges)
    assert set(found) == {offset for span in ranges for offset in range(span.begin, span.end)}
    assert all(one.end < other.begin for one, other in zip(found.ranges, found.ranges[1:], strict=False))


@given(OFFSETS)
def test_sql_text_and_back(offsets: set[int]) -> None:
    found = OffsetSet.of_offsets(offsets)
    assert OffsetSet.from_sql(found.to_sql()) == found


def test_sql_text() -> None:
    assert OffsetSet.of_offsets([9, 3, 4]).to_sql() == "{[3,5),[9,10)}"
    assert NONE.to_sql() == "{}"


@pytest.mark.parametrize("width", [10**6, 10**15])
def test_millions_take_the_room_of_their_gaps(width: int) -> None:
    everything = OffsetSet.of_ranges([OffsetRange(0, width)])
    rest = everything - OffsetSet.of_offsets([5, 7])
    assert rest.count == width - 2
    assert len(rest.ranges) == 3
