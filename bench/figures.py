"""Arithmetic on what was measured. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Sample", "Spread", "crossing_s", "per_event_us", "percentile", "rate_between", "ratios", "spread"]


class Sample(NamedTuple):
    """`rows` had landed at `at_s`, a monotonic time in seconds."""

    at_s: float
    rows: int


@dataclass(frozen=True)
class Spread:
    """Median, least and greatest of `count` runs."""

    median: float
    least: float
    greatest: float
    count: int


def spread(values: Sequence[float]) -> Spread | None:
    """None of no values."""
    return Spread(statistics.median(values), min(values), max(values), len(values)) if values else None


def percentile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank in an ascending sequence: the least value that at least `share` (0 to 1) of them do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def crossing_s(samples: Sequence[Sample], rows: float) -> float:
    """When so many rows had landed, on the line between the samples around it."""
    for before, after in pairwise(samples):
        if after.rows >= rows:
            passed = (rows - before.rows) / (after.rows - before.rows) if after.rows > before.rows else 1.0
            return before.at_s + passed * (after.at_s - before.at_s)
    raise ValueError(f"{rows:.0f} rows never landed")


def rate_between(samples: Sequence[Sample], first: float = 0.1, last: float = 1.0) -> float:
    """Rows per second between two shares of all rows, so that the start of a program is not part of it."""
    total = samples[-1].rows
    taken_s = crossing_s(samples, last * total) - crossing_s(samples, first * total)
    return (last - first) * total / taken_s if taken_s > 0 else math.inf


def ratios(values: Mapping[str, float], base: str) -> dict[str, float]:
    """Each value as a multiple of the base's; empty without a base."""
    if not values.get(base):
        return {}
    return {name: value / values[base] for name, value in values.items()}


def per_event_us(before_s: Mapping[str, float], after_s: Mapping[str, float], events: int) -> dict[str, float]:
    """CPU microseconds an event by process, from CPU seconds so far; a process that is new began at zero."""
    return {name: max(0.0, at - before_s.get(name, 0.0)) / events * 1e6 for name, at in after_s.items()}
