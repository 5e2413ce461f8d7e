from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.event import EventRow
from orchestration.ledger.validator import validate
from producer.generator import EventGenerator

NEW_YEAR_MS = 1_767_225_600_123
GENERATOR = EventGenerator(7)


def test_the_same_seed_gives_the_same_events() -> None:
    other = EventGenerator(7)
    assert [GENERATOR.event(n, NEW_YEAR_MS) for n in range(100)] == [other.event(n, NEW_YEAR_MS) for n in range(100)]


def test_an_event_does_not_depend_on_those_before() -> None:
    late = EventGenerator(7).event(50_000, NEW_YEAR_MS)
    assert late == GENERATOR.event(50_000, NEW_YEAR_MS)


def test_ids_differ_within_and_across_seeds() -> None:
    generators = [EventGenerator(seed) for seed in (-1, 0, 1, 2**40)]
    ids = {generator.event_id(number) for generator in generators for number in range(1_000)}
    assert len(ids) == 4_000


@given(st.integers(0, 2**40), st.integers(0, 4 * 10**12), st.integers(0, 9))
def test_every_event_is_valid_and_keyed_by_its_id(number: int, created_ms: int, revision: int) -> None:
    event = GENERATOR.event(number, created_ms, revision)
    row = validate(event.value)
    assert isinstance(row, EventRow)
    assert event.key.decode() == row.event_id == GENERATOR.event_id(number)


def test_events_are_realistic() -> None:
    events = [json.loads(GENERATOR.event(number, NEW_YEAR_MS).value) for number in range(2_000)]
    assert all(len(set(event) - {"event_id", "user_name", "location"}) >= 15 for event in events)
    assert all(event["created_at"] == "2026-01-01T00:00:00.123Z" for event in events)
    assert all(sum(p["share_minor"] for p in event["participants"]) == event["total_minor"] for event in events)
    assert all(event["participants"][0]["user_id"] == event["payer"]["user_id"] for event in events)
    assert len({event["user_name"] for event in events}) > 300
    assert len({event["location"] for event in events}) > 20
    assert 400 < sum(len(GENERATOR.event(n, NEW_YEAR_MS).value) for n in range(2_000)) / 2_000 < 800


@pytest.mark.parametrize("number", range(5))
def test_a_revision_keeps_id_and_payer_and_changes_the_rest(number: int) -> None:
    first = json.loads(GENERATOR.event(number, NEW_YEAR_MS).value)
    second = json.loads(GENERATOR.event(number, NEW_YEAR_MS + 1, revision=1).value)
    assert (first["event_id"], first["user_name"]) == (second["event_id"], second["user_name"])
    assert (second["revision"], second["event_type"]) == (1, "split.updated")
    assert first["created_at"] != second["created_at"]


def test_a_revision_mostly_moves_the_event() -> None:
    pairs = [(GENERATOR.event(n, NEW_YEAR_MS).value, GENERATOR.event(n, NEW_YEAR_MS, 1).value) for n in range(100)]
    moved = sum(json.loads(first)["location"] != json.loads(second)["location"] for first, second in pairs)
    assert moved > 80
