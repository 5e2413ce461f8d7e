"""Which offsets a replay covers: pure decisions."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from orchestration.errors import ConfigurationError
from orchestration.resources.topics import OffsetRange

Ranges = Mapping[int, OffsetRange]

# Migration 0005 keeps newer rows from writers whose name begins so.
PREFIX: Final = "replay."


@dataclass(frozen=True)
class Scope:
    """What can be replayed, by partition: `ranges` are retained by Kafka and committed by the stream.

    `gone` has been removed from Kafka, `ahead` is still to be landed by the stream itself.
    """

    ranges: Ranges
    gone: Ranges
    ahead: Ranges

    def warnings(self) -> list[str]:
        """What will not be replayed, and why."""
        told = []
        if self.gone:
            told.append(f"removed from Kafka, so that no replay can bring it back: {words(self.gone)}")
        if self.ahead:
            told.append(f"not committed by the stream yet, which will land it by itself: {words(self.ahead)}")
        return told


def scope(wanted: Ranges, retained: Ranges, committed: Mapping[int, int]) -> Scope:
    """Split what is wanted; a partition of which nothing is committed is wholly ahead.

    Raises:
        ConfigurationError: the topic has no such partition.
    """
    if unknown := sorted(wanted.keys() - retained.keys()):
        raise ConfigurationError(f"the topic has no partition {unknown[0]}: it has {', '.join(map(str, retained))}")
    oldest = {number: log.begin for number, log in retained.items()}
    landed = {number: min(log.end, committed.get(number, 0)) for number, log in retained.items()}
    waiting = {number: max(oldest[number], landed[number]) for number in retained}
    return Scope(
        ranges=_cut(wanted, oldest, landed),
        gone=_cut(wanted, dict.fromkeys(retained, 0), oldest),
        ahead=_cut(wanted, waiting, {number: log.end for number, log in retained.items()}),
    )


def with_all_partitions(ranges: Ranges, retained: Ranges) -> dict[int, OffsetRange]:
    """The ranges, and an empty one for each other partition: of one that it is not told about a source reads all."""
    return {number: ranges.get(number, OffsetRange(log.end, log.end)) for number, log in sorted(retained.items())}


def emptied(ranges: Ranges, retained: Ranges) -> list[int]:
    """Partitions whose range, found by time, ends where a log begins from which records have been removed."""
    return [number for number, span in _of(ranges) if 0 < retained[number].begin == span.end]


def parse(config: Mapping[str, Sequence[int]]) -> dict[int, OffsetRange]:
    """Ranges from `{"<partition>": [<first offset>, <first offset after the range>]}`.

    Raises:
        ConfigurationError: that is not what it holds.
    """
    faulty = [
        f"{number}: {list(span)}"
        for number, span in config.items()
        if not re.fullmatch(r"\d+", number) or len(span) != 2 or not 0 <= span[0] < span[1]
    ]
    if faulty or not config:
        raise ConfigurationError(
            'ranges must be like {"0": [100, 200]}, by partition the first offset to replay and the first not to; '
            + (f"wrong is {'; '.join(faulty)}" if faulty else "there is none")
        )
    return {int(number): OffsetRange(begin, end) for number, (begin, end) in config.items()}


def to_json(ranges: Ranges) -> dict[str, list[int]]:
    """What `parse` reads."""
    return {str(number): [span.begin, span.end] for number, span in _of(ranges)}


def job_name(topic: str, wanted: object) -> str:
    """Flink's name of the job that replays what is `wanted`, in terms of JSON: a word, or ranges as `to_json` has them.

    By what is wanted rather than by what of it can be replayed, for that changes with time.
    """
    return PREFIX + hashlib.sha256(json.dumps([topic, wanted], sort_keys=True).encode()).hexdigest()[:12]


def words(ranges: Ranges) -> str:
    """For people: partitions and offsets, as in `redrive` and `deep_audit` the last one included."""
    return ", ".join(f"partition {number}: {span.begin}-{span.end - 1}" for number, span in _of(ranges))


def count(ranges: Ranges) -> int:
    """Offsets in all ranges."""
    return sum(span.end - span.begin for span in ranges.values())


def _of(ranges: Ranges) -> Iterable[tuple[int, OffsetRange]]:
    return sorted(ranges.items())


def _cut(ranges: Ranges, begins: Mapping[int, int], ends: Mapping[int, int]) -> dict[int, OffsetRange]:
    """The parts of the ranges from `begins` to `ends`, by partition, less the empty ones."""
    parts = {n: OffsetRange(max(span.begin, begins[n]), min(span.end, ends[n])) for n, span in _of(ranges)}
    return {number: part for number, part in parts.items() if part.begin < part.end}
