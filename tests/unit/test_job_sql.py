"""The job's SQL against the event contract."""

from __future__ import annotations

import json
import re

import pytest

from contract.cases import CASES, Case
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


def kept_texts(value: bytes) -> dict[str, str]:
    """The kept fields as Flink's JSON format gives them: what is no string counts as its JSON text."""
    event = json.loads(value, strict=False)
    texts = {field.name: event[field.name] for field in KEPT_FIELDS}
    return {name: text if isinstance(text, str) else json.dumps(text) for name, text in texts.items()}


BY_PATTERN = {Reason.WRONG_TYPE, Reason.CONTROL_CHARACTER, Reason.BLANK, Reason.TOO_LONG}
REFUSED = [case for case in CASES if case.expected in BY_PATTERN]


def test_there_are_cases_of_each_reason() -> None:
    assert {case.expected for case in REFUSED} == BY_PATTERN


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_every_bad_field_is_refused_by_a_pattern(case: Case) -> None:
    assert case.value is not None
    assert not all(accepts(name, text) for name, text in kept_texts(case.value).items())
