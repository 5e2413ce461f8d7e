from __future__ import annotations

import json
from collections import Counter

import pytest

from bench.experiments.growth import cases
from bench.load import Load, records, sized
from orchestration.ledger.validator import Rejection, validate
from producer.generator import EventGenerator
from producer.record import Kind

EVENT = EventGenerator(1).event(0, 0).value


@pytest.mark.parametrize("size_bytes", [200, 500, 2_000, 10_000])
def test_an_event_has_the_size_asked_for_and_its_kept_fields(size_bytes: int) -> None:
    value = sized(EVENT, size_bytes)
    assert len(value) == size_bytes
    assert validate(value) == validate(EVENT)


def test_an_event_of_the_usual_size_ends_before_the_participants() -> None:
    event = json.loads(sized(EVENT, None))
    assert "merchant" in event
    assert "participants" not in event


def test_what_is_too_small_for_the_kept_fields_is_as_small_as_can_be() -> None:
    assert validate(sized(EVENT, 1)) == validate(EVENT)


@pytest.mark.parametrize(("malformed", "duplicate"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.1, 0.1)])
def test_a_load_is_what_its_shares_say(malformed: float, duplicate: float) -> None:
    found = list(records(Load(2_000, malformed=malformed, duplicate=duplicate)))
    kinds = Counter(record.kind for record in found)
    assert len(found) == 2_000
    assert kinds[Kind.MALFORMED] == pytest.approx(2_000 * malformed, abs=100)
    assert kinds[Kind.DUPLICATE] == pytest.approx(2_000 * duplicate, abs=100)
    rejected = [record for record in found if isinstance(validate(record.value), Rejection)]
    assert len(rejected) == kinds[Kind.MALFORMED]
    assert max(len(record.value or b"") for record in found) < 65_536


def test_every_dimension_keeps_the_others_as_they_are() -> None:
    found = list(cases(1_000, quick=True))
    assert {case.dimension for case in found} == {
        "partitions", "rows in the table", "bytes of an event", "share of bad events", "share of duplicates"
    }  # fmt: skip
    assert all(case.load.partitions == 4 for case in found if case.dimension != "partitions")
    assert all(case.prefilled == 0 for case in found if case.dimension != "rows in the table")
