from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.cases import CASES, Case
from contract.event import MAX_DEPTH, MAX_NUMBER_DIGITS, EventRow, Reason
from orchestration.ledger import validator
from orchestration.ledger.validator import Rejection, validate

GOOD = (
    b'{"event_id":"e1","user_name":"ann","location":"Oslo","amount":{"minor":1250,"rate":0.5},"tags":["a",null,true]}'
)


def verdict(value: bytes | None) -> EventRow | Reason:
    result = validate(value)
    return result.reason if isinstance(result, Rejection) else result


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case_of_the_poison_set(case: Case) -> None:
    assert verdict(case.value) == case.expected


@pytest.mark.parametrize("case", [case for case in CASES if case.value], ids=lambda case: case.name)
def test_exact_path_alone_agrees(case: Case) -> None:
    result = validator._judge(case.value or b"")
    assert (result.reason if isinstance(result, Rejection) else result) == case.expected


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (None, "the record has no value"),
        (b'{"event_id":"a"', "not JSON at character 15 of 15"),
        (b'{"event_id":"a","user_name":"b"}', "location is missing"),
        (b'{"event_id":"a","user_name":null,"location":"c"}', "user_name is null"),
        (b'{"event_id":"a\\u0000","user_name":"b","location":"c"}', "event_id holds U+0000"),
        (
            b'{"event_id":"' + b"a" * 51 + b'","user_name":"b","location":"c"}',
            "event_id has 51 characters, more than 50",
        ),
        (b'{"location":1,"event_id":"a","user_name":"b","location":"c","location":null}', "location is given 3 times"),
        (b"[1]", "JSON that starts with '[', not an object"),
        (GOOD + b" rest", "4 characters after the object"),
    ],
)
def test_detail_says_what_and_where(value: bytes | None, detail: str) -> None:
    result = validate(value)
    assert isinstance(result, Rejection)
    assert result.detail == detail


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        (r'"[\u0000\ud800"', Reason.WRONG_TYPE),
        (r'"\u0000\ud800"', Reason.LONE_SURROGATE),
        (rf'"\u0001{" " * 101}"', Reason.CONTROL_CHARACTER),
        (f'"{" " * 101}"', Reason.BLANK),
    ],
)
def test_first_fault_in_the_order_of_the_reasons_counts(location: str, reason: Reason) -> None:
    assert verdict(f'{{"event_id":"a","user_name":"b","location":{location}}}'.encode()) is reason


@pytest.mark.parametrize(
    ("members", "valid"),
    [
        ('"event_id":"b"', False),
        ('"user_name":null', False),
        ('"location" :{}', False),
        (r'"\u0065vent_id":"b"', False),
        (r'"event\u005fid":"b"', False),
        (r'"locatio\u006E":"b"', False),
        (r'"user_\u006eame":"b"', False),
        ('"x":{"event_id":"b"}', True),
        ('"x":[{"event_id":1,"event_id":2}]', True),
        ('"x":"event_id"', True),
        (r'"x":"\"event_id\":1"', True),
        (r'"x":"\u0065vent_id"', True),
        (r'"\\u0065vent_id":1', True),
        ('"EVENT_ID":"b"', True),
        ('"event_id ":"b"', True),
    ],
)
def test_a_kept_name_may_stand_once_in_the_object(members: str, valid: bool) -> None:
    event = '{"event_id":"a","user_name":"b","location":"c"'
    expected: EventRow | Reason = EventRow("a", "b", "c") if valid else Reason.REPEATED_FIELD
    assert verdict(f"{event},{members}}}".encode()) == expected
    assert verdict(f"{{{members}{event.replace('{', ',')}}}".encode()) == expected


def test_a_missing_field_does_not_make_up_for_a_repeated_one() -> None:
    assert verdict(b'{"event_id":"a","event_id":"a","user_name":"b"}') is Reason.REPEATED_FIELD
    assert verdict(b'{"user_name":"b","location":"c","location":"c"}') is Reason.MISSING_FIELD


def test_first_faulty_field_counts() -> None:
    assert verdict(b'{"user_name":null,"location":""}') is Reason.MISSING_FIELD
    assert verdict(b'{"event_id":"a","user_name":null,"location":""}') is Reason.NULL_FIELD


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 100_000])
def test_depth_limit(opening: str, closing: str, depth: int) -> None:
    inner = opening * (depth - 1) + "1" + closing * (depth - 1)
    value = f'{{"event_id":"a","user_name":"b","location":"c","x":{inner}}}'.encode()
    expected: EventRow | Reason = EventRow("a", "b", "c") if depth == MAX_DEPTH else Reason.UNDECODABLE
    assert verdict(value) == expected


@pytest.mark.parametrize(
    ("number", "valid"),
    [
        ("1" * MAX_NUMBER_DIGITS, True),
        ("-" + "1" * MAX_NUMBER_DIGITS, True),
        ("0." + "1" * (MAX_NUMBER_DIGITS - 1), True),
        ("0." + "1" * MAX_NUMBER_DIGITS, False),
        ("1e" + "1" * MAX_NUMBER_DIGITS, False),
        ('"' + "1" * (MAX_NUMBER_DIGITS + 1) + '"', True),
    ],
)
def test_number_limit(number: str, valid: bool) -> None:
    value = f'{{"event_id":"a","user_name":"b","location":"c","x":{number}}}'.encode()
    assert isinstance(validate(value), EventRow) is valid


def test_an_unterminated_string_is_judged_in_linear_time() -> None:
    assert verdict(b'{"event_id":"' + b"a" * 900_000) is Reason.UNDECODABLE
    assert verdict(b'{"event_id":"' + b"\\n" * 450_000) is Reason.UNDECODABLE


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def expected_of(document: Any) -> EventRow | None:  # noqa: ANN401
    """The contract read naively, for JSON that json.dumps wrote: the row, or None if it must be rejected."""
    if not isinstance(document, dict):
        return None
    texts = []
    for name, limit in (("event_id", 50), ("user_name", 50), ("location", 100)):
        value = document.get(name)
        if value is None or isinstance(value, (dict, list)):
            return None
        text = value if isinstance(value, str) else json.dumps(value)
        forbidden = any(ord(c) < 0x20 or ord(c) == 0x7F or 0xD800 <= ord(c) <= 0xDFFF for c in text)
        if forbidden or not text.strip(" ") or len(text) > limit or text[0] in "{[":
            return None
        texts.append(text)
    return EventRow(*texts)


KEPT_VALUES = st.text(max_size=110) | JSON_VALUES
EVENTS = st.fixed_dictionaries(
    {}, optional={"event_id": KEPT_VALUES, "user_name": KEPT_VALUES, "location": KEPT_VALUES, "x": JSON_VALUES}
)


@given(EVENTS | JSON_VALUES, st.booleans())
def test_agrees_with_a_naive_reading_of_the_contract(document: Any, ascii_only: bool) -> None:  # noqa: ANN401
    value = json.dumps(document, ensure_ascii=ascii_only).encode("utf-8")
    result = validate(value)
    assert (result if isinstance(result, EventRow) else None) == expected_of(document)


@given(st.floats(allow_nan=False))
def test_a_number_keeps_its_literal_text(number: float) -> None:
    literal = repr(number) if math.isfinite(number) else "1E+400"
    value = f'{{"event_id":{literal},"user_name":{literal},"location":{literal}}}'.encode()
    assert validate(value) == EventRow(literal, literal, literal)


@given(
    st.integers(0, len(GOOD)),
    st.integers(0, 6),
    st.binary(max_size=4) | st.sampled_from([b'"', b"\\", b"{", b"]", b","]),
)
@example(len(GOOD) - 1, 0, b',"x":"\xff"')
@example(len(GOOD) - 1, 0, b',"event_id":"z"')
@example(len(GOOD) - 1, 0, rb',"\u0065vent_id":"z"')
def test_fast_and_exact_path_agree_on_damaged_records(start: int, removed: int, inserted: bytes) -> None:
    value = GOOD[:start] + inserted + GOOD[start + removed :]
    assert validate(value) == validator._judge(value)


@given(st.binary(max_size=200))
def test_any_bytes_get_a_verdict(value: bytes) -> None:
    assert isinstance(validate(value), (EventRow, Rejection))


@given(st.text(alphabet='{}[]:,"\\tn1e-. ', max_size=30))
def test_accepts_the_same_json_as_the_standard_library(text: str) -> None:
    try:
        json.loads(text, strict=False)
    except ValueError:
        assert verdict(text.encode()) in (Reason.EMPTY, Reason.UNDECODABLE, Reason.TRAILING_BYTES, Reason.NOT_AN_OBJECT)
    else:
        assert verdict(text.encode()) in (Reason.MISSING_FIELD, Reason.NOT_AN_OBJECT)
