"""The job's SQL against the event contract."""

from __future__ import annotations

import re

import pytest

from contract.cases import CASES
from contract.event import CONTROL_CHARACTERS, KEPT_FIELDS, EventRow, Reason
from flink_jobs.builder import build
from tests.unit.test_job_spec import SPEC

PLAN = build(SPEC, "p")
PATTERNS = dict(re.findall(r"REGEXP\((\w+), '([^']+)'\)", PLAN.insert))

TEXTS = {
    "a": True,
    "": False,
    "   ": False,
    " a": True,
    " {a": True,
    "{a": False,
    "[a": False,
    "a{": True,
    "true": True,
    "12.50": True,
    "a\x00b": False,
    "a\x1fb": False,
    "a\x7fb": False,
    "a\x80b": True,
    "a\n": False,
    "\u00a0": True,
    "\u2028": True,
    "a\\b'c": True,
}


def accepts(field: str, text: str) -> bool:
    """What Java's find() says; Python before 3.11 lacks possessive quantifiers and spells the very end as \\Z."""
    pattern = PATTERNS[field].replace(r"}+\z", r"}\Z").replace(r"\z", r"\Z")
    return re.search(pattern, text) is not None


def test_each_kept_field_has_its_pattern() -> None:
    assert list(PATTERNS) == [field.name for field in KEPT_FIELDS]


@pytest.mark.parametrize("field", KEPT_FIELDS, ids=lambda field: field.name)
def test_pattern_names_the_contracts_limits(field: object) -> None:
    kept = next(item for item in KEPT_FIELDS if item == field)
    assert f"{{1,{kept.max_length}}}" in PATTERNS[kept.name]
    assert CONTROL_CHARACTERS.strip("[]") in PATTERNS[kept.name]


@pytest.mark.parametrize("field", [field.name for field in KEPT_FIELDS])
@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_pattern(field: str, text: str) -> None:
    assert accepts(field, text) == TEXTS[text]


@pytest.mark.parametrize("character", ["x", "é", "😀"])
@pytest.mark.parametrize("field", KEPT_FIELDS, ids=lambda field: field.name)
def test_length_is_counted_in_code_points(field: object, character: str) -> None:
    kept = next(item for item in KEPT_FIELDS if item == field)
    assert accepts(kept.name, character * kept.max_length)
    assert not accepts(kept.name, character * (kept.max_length + 1))


def test_every_valid_case_passes_the_patterns() -> None:
    rows = [case.expected for case in CASES if isinstance(case.expected, EventRow)]
    assert rows
    assert [row for row in rows for field in KEPT_FIELDS if not accepts(field.name, getattr(row, field.name))] == []


def test_source_and_sink_have_the_kept_fields() -> None:
    for statement in PLAN.statements:
        columns = re.findall(r"^    (\w+) STRING", statement, re.MULTILINE)
        assert columns[: len(KEPT_FIELDS)] == [field.name for field in KEPT_FIELDS]


def test_reasons_that_sql_can_see_are_field_reasons() -> None:
    """The patterns cover these; a new reason in the contract has to be placed here or in the ledger."""
    seen = {Reason.WRONG_TYPE, Reason.CONTROL_CHARACTER, Reason.BLANK, Reason.TOO_LONG}
    by_format = {Reason.MISSING_FIELD, Reason.NULL_FIELD, Reason.LONE_SURROGATE}
    by_record = {Reason.TOMBSTONE, Reason.EMPTY, Reason.OVERSIZE, Reason.UNDECODABLE}
    by_record |= {Reason.NOT_AN_OBJECT, Reason.TRAILING_BYTES}
    assert seen | by_format | by_record == set(Reason)
