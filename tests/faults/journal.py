"""Reads what a producer's journal tells (`producer/journal.py`): every row that its records may have become."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from producer.generator import EventGenerator

_VERSION: Final = "1"


class Sent(NamedTuple):
    """A row that a record may have become; the place is None for a record that was not acknowledged.

    `required`: a valid event that was acknowledged. The others, which were never answered, may be in the table or not.
    """

    event_id: str
    digest: str
    partition: int | None
    offset: int | None
    required: bool


@dataclass(frozen=True)
class Journal:
    """`id_prefix`: what the ids of the producer's events, and of no other's, begin with."""

    id_prefix: str
    sent: list[Sent]

    @property
    def acknowledged(self) -> int:
        """Valid events that were acknowledged."""
        return sum(row.required for row in self.sent)


def read(path: Path) -> Journal:
    """Read one journal, also of a producer that was killed.

    Raises:
        ValueError: it is no journal, or tells of a record that it has not.
    """
    with path.open(encoding="ascii") as file:
        return parse(file)


def parse(lines: Iterable[str]) -> Journal:
    """As `read`, from lines with their newlines; one without it was cut off, and tells nothing."""
    whole = (line.rstrip("\n").split(" ") for line in lines if line.endswith("\n"))
    head = next(whole, None)
    if head is None or head[:2] != ["h", _VERSION]:
        raise ValueError(f"no journal of version {_VERSION}: it begins with {head}")
    records: list[list[str]] = []
    places: dict[int, tuple[int, int]] = {}
    for line in whole:
        if line[0] in "sm":
            records.append(line)
        elif line[0] == "a":
            places[int(line[1])] = (int(line[2]), int(line[3]))
    if unknown := [number for number in places if number >= len(records)]:
        raise ValueError(f"record {unknown[0]} was acknowledged and never sent")
    prefix = EventGenerator(int(head[2])).event_id(0).rpartition("_")[0] + "_"
    sent = [_sent(line, places.get(number)) for number, line in enumerate(records) if line[0] == "s"]
    return Journal(prefix, sent)


def _sent(line: list[str], place: tuple[int, int] | None) -> Sent:
    partition, offset = place or (None, None)
    return Sent(line[1], line[2], partition, offset, place is not None)
