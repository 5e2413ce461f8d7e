"""Sets of offsets, kept as ranges: a set of millions takes the room of its gaps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from orchestration.resources.topics import OffsetRange

__all__ = ["NONE", "OffsetRange", "OffsetSet"]

_RANGE: Final = re.compile(r"\[(\d+),(\d+)\)")


@dataclass(frozen=True)
class OffsetSet:
    """Offsets of one partition, as ranges that are ascending, not empty and apart from each other.

    Make one with `of_ranges`, `of_offsets` or `from_sql`, which bring any ranges into that form.
    """

    ranges: tuple[OffsetRange, ...] = ()

    @classmethod
    def of_ranges(cls, ranges: Iterable[OffsetRange]) -> OffsetSet:
        """The offsets in any of `ranges`, which may overlap and come in any order."""
        merged: list[OffsetRange] = []
        for span in sorted((span for span in ranges if span.begin < span.end), key=lambda span: span.begin):
            if merged and span.begin <= merged[-1].end:
                merged[-1] = OffsetRange(merged[-1].begin, max(merged[-1].end, span.end))
            else:
                merged.append(span)
        return cls(tuple(merged))

    @classmethod
    def of_offsets(cls, offsets: Iterable[int]) -> OffsetSet:
        """The given offsets, in any order."""
        return cls.of_ranges(OffsetRange(offset, offset + 1) for offset in offsets)

    @classmethod
    def from_sql(cls, text: str) -> OffsetSet:
        """Read the text of a Postgres `int8multirange`, such as `{[3,5),[9,10)}`."""
        return cls(tuple(OffsetRange(int(begin), int(end)) for begin, end in _RANGE.findall(text)))

    def to_sql(self) -> str:
        """The text of a Postgres `int8multirange`."""
        return "{" + ",".join(f"[{span.begin},{span.end})" for span in self.ranges) + "}"

    @property
    def count(self) -> int:
        """How many offsets the set holds."""
        return sum(span.end - span.begin for span in self.ranges)

    def __bool__(self) -> bool:
        """Whether the set holds any offset."""
        return bool(self.ranges)

    def __iter__(self) -> Iterator[int]:
        """The offsets, ascending."""
        return chain.from_iterable(range(span.begin, span.end) for span in self.ranges)

    def __or__(self, other: OffsetSet) -> OffsetSet:
        """Offsets in either."""
        return OffsetSet.of_ranges((*self.ranges, *other.ranges))

    def __sub__(self, other: OffsetSet) -> OffsetSet:
        """Offsets of this set that are not in the other."""
        return OffsetSet(tuple(_subtract(self.ranges, other.ranges)))

    def __and__(self, other: OffsetSet) -> OffsetSet:
        """Offsets in both."""
        return self - (self - other)


NONE: Final = OffsetSet()


def _subtract(kept: Iterable[OffsetRange], removed: tuple[OffsetRange, ...]) -> Iterator[OffsetRange]:
    index = 0
    for span in kept:
        begin = span.begin
        while index < len(removed) and removed[index].end <= begin:
            index += 1
        # A removed range may reach into the next kept one, so the shared index stays on it.
        following = index
        while following < len(removed) and removed[following].begin < span.end:
            if begin < removed[following].begin:
                yield OffsetRange(begin, removed[following].begin)
            begin = removed[following].end
            following += 1
        if begin < span.end:
            yield OffsetRange(begin, span.end)
        index = max(index, following - 1)
