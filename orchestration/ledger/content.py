"""Compares what records should have become with the rows and dead letters that are there. Pure; the deep audit's core.

A row is compared with the record at the row's own partition and offset. A valid record without a row there is settled
by its event_id: a row of that id from a later offset of the partition has superseded it, else the record is lost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import Enum
from hashlib import sha256
from typing import Final, Protocol

from contract.event import EventRow
from orchestration.ledger.validator import Rejection, validate

__all__ = [
    "EVENT_ID",
    "OFFSET",
    "Content",
    "Finding",
    "Judged",
    "Kind",
    "Letter",
    "Record",
    "as_text",
    "differing",
    "judge",
    "letters",
    "settle",
]

# partition, offset, event_id, user_name, location, timestamp of the record in ms since 1970. A plain tuple, and not a
# class: a million of them are made and compared in each second or two. The timestamp is None in a row that has none.
Content = tuple[int, int, str, str, str, "int | None"]
PARTITION: Final = 0
OFFSET: Final = 1
EVENT_ID: Final = 2

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Kind(str, Enum):
    """What is wrong with an offset."""

    ALTERED = "altered"  # the row has the record's event_id, and another user_name, location or produced_at
    WRONG_ROW = "wrong_row"  # the row has another event_id than the record
    INVALID_LANDED = "invalid_landed"  # a row was made of a record, or a part of one, that is no valid event
    LOST = "lost"  # a valid record, and no row of its event_id from this offset or a later one
    PHANTOM = "phantom"  # a row that no record made: no record at its offset, or a further row beside the right one
    LETTER_DIFFERS = "letter_differs"  # a dead letter with other bytes than the record, or of no rejected record


@dataclass(frozen=True)
class Finding:
    """One difference; `expected` and `found` are texts for a person, rows as JSON."""

    partition: int
    offset: int
    kind: Kind
    expected: str
    found: str


class Record(Protocol):
    """What is used of `confluent_kafka.Message`."""

    def offset(self) -> int | None: ...
    def timestamp(self) -> tuple[int, int]: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...


@dataclass(frozen=True)
class Letter:
    """What is compared of a dead letter: SHA-256 of its stored key and value, None where there is none."""

    partition: int
    offset: int
    key_sha256: bytes | None
    value_sha256: bytes | None


@dataclass(frozen=True)
class Judged:
    """What the records of a batch should have become, by offset: rows, or rejections (kept with their records)."""

    partition: int
    rows: dict[int, Content] = field(default_factory=dict)
    rejected: dict[int, tuple[Rejection, Record]] = field(default_factory=dict)


def judge(partition: int, records: Iterable[Record]) -> Judged:
    """Judge each record by the ledger's validator."""
    judged = Judged(partition)
    rows, rejected = judged.rows, judged.rejected
    for record in records:
        offset: int = record.offset()  # type: ignore[assignment]
        verdict = validate(record.value())
        if isinstance(verdict, EventRow):
            kept = (verdict.event_id, verdict.user_name, verdict.location)
            rows[offset] = (partition, offset, *kept, record.timestamp()[1])
        else:
            rejected[offset] = verdict, record
    return judged


def differing(judged: Judged, rows: Sequence[Content]) -> tuple[list[Finding], list[Content]]:
    """Findings among the rows of the batch's offsets, and the expected rows that are not there and not altered.

    The second is to be settled by event_id.
    """
    missing = dict(judged.rows)
    # Popped, so that a second row at the same offset differs too.
    odd = {row[OFFSET] for row in rows if missing.pop(row[OFFSET], None) != row}
    at_odd: dict[int, list[Content]] = {offset: [] for offset in sorted(odd)}
    for row in rows if odd else ():
        if row[OFFSET] in odd:
            at_odd[row[OFFSET]].append(row)
    findings = [finding for offset, group in at_odd.items() for finding in _at_offset(judged, offset, group)]
    # Under a row of another id its own may still have landed, from a later offset.
    displaced = {f.offset: judged.rows[f.offset] for f in findings if f.kind is Kind.WRONG_ROW}
    return findings, list((missing | displaced).values())


def _at_offset(judged: Judged, offset: int, rows: list[Content]) -> Iterator[Finding]:
    """Findings among all rows at one offset."""
    expected = judged.rows.get(offset)
    if expected in rows:
        rows.remove(expected)
        kind, wanted = Kind.PHANTOM, "no further row beside the right one"
    elif expected is not None:
        same_id = any(row[EVENT_ID] == expected[EVENT_ID] for row in rows)
        kind, wanted = Kind.ALTERED if same_id else Kind.WRONG_ROW, as_text(expected)
    elif offset in judged.rejected:
        rejection, _ = judged.rejected[offset]
        kind, wanted = Kind.INVALID_LANDED, f"no row: {rejection.reason.value} ({rejection.detail})"
    else:
        kind, wanted = Kind.PHANTOM, "no row: no record has this offset"
    for row in rows:
        yield Finding(judged.partition, offset, kind, wanted, as_text(row))


def settle(missing: Iterable[Content], found: Mapping[str, Sequence[Content]]) -> Iterator[Finding]:
    """Findings among the expected rows that are not at their offset; `found` holds the rows of their event_ids.

    A row of the id in another partition supersedes too: between partitions there is no order.
    """
    for expected in missing:
        rows = found.get(expected[EVENT_ID], ())
        place = expected[:2]
        if any(row == expected or row[PARTITION] != place[0] or row[OFFSET] > place[1] for row in rows):
            continue
        same = [row for row in rows if row[:2] == place]
        kind = Kind.ALTERED if same else Kind.LOST
        held = "; ".join(map(as_text, same or rows)) or "no row of this event_id"
        yield Finding(expected[PARTITION], expected[OFFSET], kind, as_text(expected), held)


def letters(judged: Judged, stored: Iterable[Letter]) -> Iterator[Finding]:
    """Findings among the dead letters stored for the batch's offsets."""
    for letter in stored:
        offset = letter.offset
        if offset in judged.rejected:
            _, record = judged.rejected[offset]
            expected = (_digest(record.key()), _digest(record.value()))
            if expected != (letter.key_sha256, letter.value_sha256):
                yield _letter_finding(letter, _digests(*expected), _digests(letter.key_sha256, letter.value_sha256))
        else:
            is_valid = offset in judged.rows
            wanted = "no dead letter: the record is a valid event" if is_valid else "no record has this offset"
            yield _letter_finding(letter, wanted, _digests(letter.key_sha256, letter.value_sha256))


def _letter_finding(letter: Letter, expected: str, found: str) -> Finding:
    return Finding(letter.partition, letter.offset, Kind.LETTER_DIFFERS, expected, found)


def _digest(data: bytes | None) -> bytes | None:
    return None if data is None else sha256(data).digest()


def _digests(key: bytes | None, value: bytes | None) -> str:
    texts = (f"{name} sha256 {digest.hex()}" if digest else f"no {name}" for name, digest in _named(key, value))
    return ", ".join(texts)


def _named(key: bytes | None, value: bytes | None) -> tuple[tuple[str, bytes | None], ...]:
    return ("key", key), ("value", value)


def as_text(row: Content) -> str:
    """The row as JSON, with the columns' names."""
    partition, offset, event_id, user_name, location, timestamp_ms = row
    instant = None if timestamp_ms is None else _EPOCH + timedelta(milliseconds=timestamp_ms)
    members = {
        "event_id": event_id,
        "user_name": user_name,
        "location": location,
        "kafka_partition": partition,
        "kafka_offset": offset,
        "produced_at": instant and instant.isoformat(timespec="milliseconds"),
    }
    return json.dumps(members, ensure_ascii=False)
