from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator

import pytest

from contract.event import EventRow, Reason
from orchestration.ledger.validator import Rejection, validate
from producer.record import Kind, Record
from producer.stream import EventStream, Shares

NOW_MS = 1_767_225_600_000
HOUR_MS = 3_600_000
MIXED = Shares(malformed=0.2, late=0.1, duplicate=0.15)


def records(shares: Shares, count: int, seed: int = 1) -> Iterator[Record]:
    return itertools.islice(EventStream(seed, shares, lambda: NOW_MS), count)


def test_without_shares_all_are_plain_and_distinct() -> None:
    sent = list(records(Shares(), 500))
    assert {record.kind for record in sent} == {Kind.PLAIN}
    assert len({record.key for record in sent}) == 500


def test_the_same_seed_gives_the_same_records() -> None:
    assert list(records(MIXED, 300)) == list(records(MIXED, 300))
    assert list(records(MIXED, 300)) != list(records(MIXED, 300, seed=2))


def test_shares_are_kept() -> None:
    kinds = Counter(record.kind for record in records(MIXED, 5_000))
    assert kinds[Kind.MALFORMED] == pytest.approx(1_000, rel=0.15)
    assert kinds[Kind.LATE] == pytest.approx(500, rel=0.2)
    assert kinds[Kind.DUPLICATE] == pytest.approx(750, rel=0.2)


def test_malformed_ones_and_no_others_are_rejected() -> None:
    for record in records(MIXED, 2_000):
        assert isinstance(validate(record.value), Rejection) is (record.kind is Kind.MALFORMED)


def test_each_reason_comes_up() -> None:
    verdicts = (validate(record.value) for record in records(Shares(malformed=1.0), 12_000))
    assert {verdict.reason for verdict in verdicts if isinstance(verdict, Rejection)} == set(Reason)


def test_a_tombstone_has_a_key() -> None:
    tombstones = [record for record in records(Shares(malformed=1.0), 500) if record.value is None]
    assert tombstones
    assert all(record.key for record in tombstones)


def test_a_late_event_was_created_and_stamped_hours_ago() -> None:
    for record in records(Shares(late=1.0), 100):
        assert HOUR_MS <= NOW_MS - record.timestamp_ms <= 48 * HOUR_MS
        assert json.loads(record.value or b"")["created_at"] < "2026-01-01T00:00:00.000Z"


def test_a_duplicate_repeats_the_id_of_an_earlier_good_event_with_other_fields() -> None:
    earlier: dict[bytes | None, bytes | None] = {}
    duplicates = 0
    for record in records(MIXED, 3_000):
        if record.kind is Kind.DUPLICATE:
            duplicates += 1
            assert earlier[record.key] != record.value
        elif record.kind is not Kind.MALFORMED:
            assert record.key not in earlier
            earlier[record.key] = record.value
    assert duplicates > 100


def test_rows_are_the_records_less_the_malformed_and_the_duplicates() -> None:
    sent = list(records(MIXED, 3_000))
    rows = {verdict.event_id for record in sent if isinstance(verdict := validate(record.value), EventRow)}
    kinds = Counter(record.kind for record in sent)
    assert len(rows) == len(sent) - kinds[Kind.MALFORMED] - kinds[Kind.DUPLICATE]
