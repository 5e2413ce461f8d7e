from __future__ import annotations

import dataclasses
import re

import pytest

from contract.cases import CASES, Case
from contract.event import CONTROL_CHARACTERS, KEPT_FIELDS, MAX_RECORD_BYTES, EventRow, Reason


def test_kept_fields_are_the_columns_of_a_row() -> None:
    assert [field.name for field in KEPT_FIELDS] == [field.name for field in dataclasses.fields(EventRow)]
    assert [field.max_length for field in KEPT_FIELDS] == [50, 50, 100]


@pytest.mark.parametrize(
    ("character", "is_control"),
    [("\x00", True), ("\t", True), ("\x1f", True), ("\x7f", True), (" ", False), ("\x80", False), ("é", False)],
)
def test_control_characters(character: str, is_control: bool) -> None:
    assert bool(re.search(CONTROL_CHARACTERS, character)) is is_control


def test_case_names_are_distinct() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_valid_cases_have_distinct_event_ids() -> None:
    ids = [case.expected.event_id for case in CASES if isinstance(case.expected, EventRow)]
    assert len(set(ids)) == len(ids)


def test_each_reason_has_a_case() -> None:
    assert {case.expected for case in CASES if isinstance(case.expected, Reason)} == set(Reason)


def test_expected_rows_obey_the_lengths() -> None:
    for case in CASES:
        if isinstance(case.expected, EventRow):
            for field in KEPT_FIELDS:
                assert 1 <= len(getattr(case.expected, field.name)) <= field.max_length, case.name


def test_large_event_is_built_on_demand() -> None:
    large = next(case for case in CASES if case.name == "large_900_kb")
    assert callable(large.source)
    assert 900_000 < len(large.value or b"") < MAX_RECORD_BYTES


def test_a_case_holds_bytes_a_builder_or_a_tombstone() -> None:
    row = EventRow("a", "b", "c")
    assert Case("built", lambda: b"x", row).value == Case("held", b"x", row).value == b"x"
    assert Case("none", None, Reason.TOMBSTONE).value is None
