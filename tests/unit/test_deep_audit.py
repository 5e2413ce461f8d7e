"""The deep audit's comparison, its ranges and its stream of rows, without any server."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestration.ledger.content import Content, Judged, Kind, Letter, as_text, differing, judge, letters, settle
from orchestration.ledger.deep_audit import DeepAuditReport, audited_ranges, sections
from orchestration.ledger.deep_store import RowStream
from orchestration.resources.topics import OffsetRange

AT_MS = 1_764_000_000_123
PARTITION = 3


@dataclass(frozen=True)
class FakeRecord:
    """What the comparison uses of a Kafka client's message."""

    at: int
    body: bytes | None
    name: bytes | None = b"k"

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return 1, AT_MS

    def key(self) -> bytes | None:
        return self.name

    def value(self) -> bytes | None:
        return self.body


def event(event_id: str, user_name: str = "ann", location: str = "Oslo") -> bytes:
    return f'{{"event_id":"{event_id}","user_name":"{user_name}","location":"{location}"}}'.encode()


def row(
    offset: int, event_id: str, user_name: str = "ann", location: str = "Oslo", at_ms: int | None = AT_MS
) -> Content:
    return PARTITION, offset, event_id, user_name, location, at_ms


# Offsets 0 to 2 are valid; the others are of the kinds that the stream lands in part or altered.
RECORDS = (
    FakeRecord(0, event("a")),
    FakeRecord(1, event("b")),
    FakeRecord(2, event("c")),
    FakeRecord(3, b"[" + event("d1") + b"," + event("d2") + b"]"),
    FakeRecord(4, event("e1") + event("e2")),
    FakeRecord(5, event("f", location="x\\ud800")),
    FakeRecord(6, None),
)
RIGHT = (row(0, "a"), row(1, "b"), row(2, "c"))


@pytest.fixture
def judged() -> Judged:
    return judge(PARTITION, RECORDS)


def found(judged: Judged, rows: Sequence[Content]) -> tuple[list[tuple[int, Kind]], list[str]]:
    """Offset and kind of each finding, and the ids that are to be settled."""
    findings, missing = differing(judged, rows)
    return [(finding.offset, finding.kind) for finding in findings], [content[2] for content in missing]


def test_records_become_rows_or_rejections(judged: Judged) -> None:
    assert tuple(judged.rows.values()) == RIGHT
    reasons = {offset: rejection.reason.value for offset, (rejection, _) in judged.rejected.items()}
    assert reasons == {3: "not_an_object", 4: "trailing_bytes", 5: "lone_surrogate", 6: "tombstone"}


@pytest.mark.parametrize(
    ("rows", "findings", "missing"),
    [
        (RIGHT, [], []),
        (RIGHT[:2], [], ["c"]),
        ((row(0, "a", user_name="eve"), *RIGHT[1:]), [(0, Kind.ALTERED)], []),
        ((row(0, "a", location="oslo"), *RIGHT[1:]), [(0, Kind.ALTERED)], []),
        ((row(0, "a", at_ms=AT_MS + 1), *RIGHT[1:]), [(0, Kind.ALTERED)], []),
        ((row(0, "a", at_ms=None), *RIGHT[1:]), [(0, Kind.ALTERED)], []),
        ((row(0, "z"), *RIGHT[1:]), [(0, Kind.WRONG_ROW)], ["a"]),
        ((row(0, "y"), row(0, "z"), *RIGHT[1:]), [(0, Kind.WRONG_ROW)] * 2, ["a"]),
        ((*RIGHT, RIGHT[2]), [(2, Kind.PHANTOM)], []),
        ((row(0, "z"), *RIGHT), [(0, Kind.PHANTOM)], []),
        ((RIGHT[0], row(0, "z"), *RIGHT[1:]), [(0, Kind.PHANTOM)], []),
        ((row(0, "a", location="x"), row(0, "a", location="y"), *RIGHT[1:]), [(0, Kind.ALTERED)] * 2, []),
        ((*RIGHT, row(7, "g")), [(7, Kind.PHANTOM)], []),
        ((*RIGHT, row(3, "d1"), row(3, "d2")), [(3, Kind.INVALID_LANDED)] * 2, []),
        ((*RIGHT, row(4, "e1")), [(4, Kind.INVALID_LANDED)], []),
        ((*RIGHT, row(5, "f", location="x?")), [(5, Kind.INVALID_LANDED)], []),
        ((row(0, "a", user_name="eve"), RIGHT[1], row(4, "e1")), [(0, Kind.ALTERED), (4, Kind.INVALID_LANDED)], ["c"]),
    ],
)
def test_rows_are_compared_at_their_offset(
    judged: Judged, rows: Sequence[Content], findings: list[tuple[int, Kind]], missing: list[str]
) -> None:
    assert found(judged, rows) == (findings, missing)


def test_a_finding_shows_both_sides(judged: Judged) -> None:
    (altered, landed), _ = differing(judged, (row(0, "a", location="Rome"), *RIGHT[1:], row(5, "f", location="x?")))
    assert '"location": "Oslo"' in altered.expected
    assert '"location": "Rome"' in altered.found
    assert landed.expected == "no row: lone_surrogate (location holds half of a surrogate pair)"
    assert '"location": "x?"' in landed.found


def test_a_row_is_shown_with_its_columns() -> None:
    text = as_text(row(8, "a", location="São Paulo"))
    assert text == (
        '{"event_id": "a", "user_name": "ann", "location": "São Paulo", "kafka_partition": 3, "kafka_offset": 8, '
        '"produced_at": "2025-11-24T16:00:00.123+00:00"}'
    )
    assert '"produced_at": null' in as_text(row(8, "a", at_ms=None))


@pytest.mark.parametrize(
    ("rows", "kinds"),
    [
        ([row(5, "a")], []),
        ([row(9, "a", user_name="later")], []),
        ([(0, 1, "a", "ann", "Oslo", AT_MS)], []),
        ([row(4, "a")], [Kind.LOST]),
        ([], [Kind.LOST]),
        ([row(5, "a", user_name="eve")], [Kind.ALTERED]),
        ([row(4, "a"), row(9, "a")], []),
    ],
    ids=["came back", "superseded", "other partition", "stale", "absent", "came back altered", "two rows"],
)
def test_a_row_that_is_elsewhere_is_settled_by_its_id(rows: list[Content], kinds: list[Kind]) -> None:
    assert [finding.kind for finding in settle([row(5, "a")], {"a": rows})] == kinds


def test_a_stale_row_is_shown() -> None:
    (finding,) = settle([row(5, "a")], {"a": [row(4, "a", location="Rome")]})
    assert (finding.partition, finding.offset) == (PARTITION, 5)
    assert '"kafka_offset": 4' in finding.found


def digest(data: bytes) -> bytes:
    return sha256(data).digest()


@pytest.mark.parametrize(
    ("letter", "expected"),
    [
        (Letter(PARTITION, 4, digest(b"k"), digest(event("e1") + event("e2"))), None),
        (Letter(PARTITION, 6, digest(b"k"), None), None),
        (Letter(PARTITION, 4, digest(b"k"), digest(event("e1"))), "value sha256"),
        (Letter(PARTITION, 4, None, digest(event("e1") + event("e2"))), "key sha256"),
        (Letter(PARTITION, 6, digest(b"k"), digest(b"")), "no value"),
        (Letter(PARTITION, 0, digest(b"k"), digest(event("a"))), "the record is a valid event"),
        (Letter(PARTITION, 7, None, None), "no record has this offset"),
    ],
)
def test_dead_letters_are_compared_by_digest(judged: Judged, letter: Letter, expected: str | None) -> None:
    findings = list(letters(judged, [letter]))
    assert [finding.kind for finding in findings] == ([Kind.LETTER_DIFFERS] if expected else [])
    assert all(str(expected) in finding.expected for finding in findings)


@pytest.mark.parametrize(
    ("chosen", "spans"),
    [
        (None, {0: (10, 80), 1: (0, 50)}),
        ({0: (20, 30)}, {0: (20, 30)}),
        ({0: (0, 999), 1: (50, 60)}, {0: (10, 80)}),
        ({2: (0, 5), 7: (0, 5)}, {}),
    ],
)
def test_what_can_be_audited(chosen: dict[int, tuple[int, int]] | None, spans: dict[int, tuple[int, int]]) -> None:
    retained = {0: OffsetRange(10, 100), 1: OffsetRange(0, 50), 2: OffsetRange(0, 9)}
    wanted = None if chosen is None else {partition: OffsetRange(*span) for partition, span in chosen.items()}
    ranges = audited_ranges(retained, {0: 80, 1: 50}, wanted)
    assert {partition: (span.begin, span.end) for partition, span in ranges.items()} == spans


@pytest.mark.parametrize("size", [1, 7, 20, 1000])
def test_sections_cover_each_offset_once(size: int) -> None:
    ranges = {0: OffsetRange(5, 40), 1: OffsetRange(30, 31), 4: OffsetRange(90, 99)}
    cut = list(sections(ranges, size))
    offsets = [(number, offset) for part in cut for number, s in part.items() for offset in range(s.begin, s.end)]
    assert sorted(offsets) == [(n, offset) for n, span in ranges.items() for offset in range(span.begin, span.end)]
    assert all(sum(span.end - span.begin for span in part.values()) <= max(size, len(ranges)) for part in cut)
    assert all(part for part in cut)


def test_no_ranges_give_no_section() -> None:
    assert list(sections({}, 10)) == []


def stream_of(blocks: list[list[Content]], fetcher: ThreadPoolExecutor) -> RowStream:
    left = iter(blocks)
    cursor = SimpleNamespace(execute=lambda _sql: None, fetchall=lambda: next(left, []))
    return RowStream(cast(Any, SimpleNamespace(cursor=lambda: cursor)), fetcher)


def test_rows_are_given_out_once_and_in_order() -> None:
    rows = [row(offset, str(offset)) for offset in range(10)]
    later = [(PARTITION + 1, 0, "x", "ann", "Oslo", AT_MS)]
    with ThreadPoolExecutor(1) as fetcher:
        stream = stream_of([rows[:3], rows[3:4], [*rows[4:], *later]], fetcher)
        assert stream.up_to(PARTITION, 0) == []
        assert stream.up_to(PARTITION, 2) == rows[:2]
        assert stream.up_to(PARTITION, 6) == rows[2:6]
        assert stream.up_to(PARTITION, 6) == []
        assert stream.up_to(PARTITION, 99) == rows[6:]
        assert stream.up_to(PARTITION + 1, 99) == later
        assert stream.up_to(PARTITION + 1, 999) == []


def test_the_report_says_whether_it_is_clean() -> None:
    report = DeepAuditReport(1, "t", {})
    assert report.is_clean
    report.counts[Kind.LOST] += 1
    assert not report.is_clean
