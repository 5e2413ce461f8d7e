"""The poison set: records that a pipeline meets sooner or later, each with what the contract says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from contract.event import MAX_DEPTH, MAX_NUMBER_DIGITS, MAX_RECORD_BYTES, EventRow, Reason


@dataclass(frozen=True)
class Case:
    """One record value, and what the contract makes of it."""

    name: str
    source: bytes | Callable[[], bytes] | None
    expected: EventRow | Reason

    @property
    def value(self) -> bytes | None:
        """The record value; long ones are built on each call rather than kept."""
        return self.source() if callable(self.source) else self.source


def _object(name: str, members: str = "", *, user_name: str = '"ann"', location: str = '"Oslo"') -> bytes:
    """An event whose id is the case's name, its other kept fields as raw JSON, and any further members."""
    text = f'{{"event_id":"{name}","user_name":{user_name},"location":{location}{members}}}'
    return text.encode("utf-8")


def _row(name: str, user_name: str = "ann", location: str = "Oslo") -> EventRow:
    return EventRow(name, user_name, location)


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def _location_case(name: str, location: str, expected: str | Reason) -> Case:
    """A case of the field ``location``: its raw JSON, and either the text that lands or the reason why none does."""
    row = expected if isinstance(expected, Reason) else _row(name, location=expected)
    return Case(name, _object(name, location=location), row)


_VALID: Final = (
    Case("plain", _object("plain"), _row("plain")),
    Case("minimal_lengths", b'{"event_id":"1","user_name":"a","location":"b"}', EventRow("1", "a", "b")),
    Case("further_fields", _object("further_fields", ',"payer":{"id":7},"tags":[1,null]'), _row("further_fields")),
    Case("reordered", b'{"location":"c","x":[],"user_name":"b","event_id":"reordered"}', _row("reordered", "b", "c")),
    Case("escaped_name", b'{"\\u0065vent_id":"esc","user_name":"b","location":"c"}', EventRow("esc", "b", "c")),
    Case("whitespace_around", b" \r\n\t" + _object("whitespace_around") + b"\r\n", _row("whitespace_around")),
    Case("byte_order_mark", b"\xef\xbb\xbf" + _object("byte_order_mark"), _row("byte_order_mark")),
    Case("event_id_50", _object("e" * 50), _row("e" * 50)),
    Case("user_name_50_emoji", _object("emoji_50", user_name=f'"{"😀" * 50}"'), _row("emoji_50", "😀" * 50)),
    _location_case("location_100_emoji", f'"{"🗺" * 100}"', "🗺" * 100),
    _location_case("escaped_emoji", '"\\ud83d\\ude00"', "😀"),
    _location_case("spaces_around", '" Oslo "', " Oslo "),
    _location_case("no_break_space", '"\u00a0"', "\u00a0"),
    _location_case("number", "12.50", "12.50"),
    _location_case("number_exponent", "1e5", "1e5"),
    _location_case("number_minus_zero", "-0", "-0"),
    _location_case("boolean", "true", "true"),
    _location_case("brace_inside", '"a{[b"', "a{[b"),
    _location_case("backslash_and_quote", r'"a\\b\"c\/d"', 'a\\b"c/d'),
    Case("control_in_free_field", _object("control_in_free_field", ',"x":"a\tb"'), _row("control_in_free_field")),
    Case(
        "surrogate_in_free_field", _object("surrogate_in_free_field", r',"x":"\ud800"'), _row("surrogate_in_free_field")
    ),
    Case("depth_1000", _object("depth_1000", f',"x":{_nested(MAX_DEPTH - 1)}'), _row("depth_1000")),
    Case("digits_1000", _object("digits_1000", f',"x":{"7" * MAX_NUMBER_DIGITS}'), _row("digits_1000")),
    Case("large_900_kb", lambda: _object("large_900_kb", f',"note":"{"x" * 900_000}"'), _row("large_900_kb")),
    Case("kept_name_nested", _object("kept_name_nested", ',"x":{"location":"Rome"}'), _row("kept_name_nested")),
    Case("kept_name_as_value", _object("kept_name_as_value", ',"x":"location"'), _row("kept_name_as_value")),
    Case("repeated_free_field", _object("repeated_free_field", ',"x":1,"x":2'), _row("repeated_free_field")),
)

_BAD_RECORDS: Final = (
    Case("tombstone", None, Reason.TOMBSTONE),
    Case("empty", b"", Reason.EMPTY),
    Case("whitespace", b" \r\n", Reason.EMPTY),
    Case("oversize", lambda: _object("oversize", f',"note":"{"x" * MAX_RECORD_BYTES}"'), Reason.OVERSIZE),
    Case("bad_json", b"{bad", Reason.UNDECODABLE),
    Case("plain_text", b"hello", Reason.UNDECODABLE),
    Case("truncated", _object("truncated")[:-1], Reason.UNDECODABLE),
    Case("truncated_name", b'{"event_id":"a","user_name":"b","location":"c","amo', Reason.UNDECODABLE),
    Case("trailing_comma", _object("trailing_comma", ","), Reason.UNDECODABLE),
    Case("single_quotes", b"{'event_id':'a','user_name':'b','location':'c'}", Reason.UNDECODABLE),
    Case("mismatched_brackets", _object("mismatched_brackets", ',"x":[1}'), Reason.UNDECODABLE),
    Case("not_a_number", _object("not_a_number", ',"x":NaN'), Reason.UNDECODABLE),
    Case("leading_zero", _object("leading_zero", ',"x":01'), Reason.UNDECODABLE),
    Case("bad_escape", _object("bad_escape", r',"x":"\q"'), Reason.UNDECODABLE),
    Case("invalid_utf8", b'{"event_id":"a\xff","user_name":"b","location":"c"}', Reason.UNDECODABLE),
    Case("invalid_utf8_free_field", _object("invalid_utf8")[:-1] + b',"x":"\xff"}', Reason.UNDECODABLE),
    Case("two_byte_order_marks", b"\xef\xbb\xbf\xef\xbb\xbf" + _object("two_marks"), Reason.UNDECODABLE),
    Case("overlong_utf8", _object("overlong")[:-1] + b',"x":"\xc0\xaf"}', Reason.UNDECODABLE),
    Case("utf16", _object("utf16").decode().encode("utf-16-be"), Reason.UNDECODABLE),
    Case("depth_1001", _object("depth_1001", f',"x":{_nested(MAX_DEPTH)}'), Reason.UNDECODABLE),
    Case("depth_2000", _object("depth_2000", f',"x":{_nested(2_000)}'), Reason.UNDECODABLE),
    Case("depth_5000", _object("depth_5000", f',"x":{_nested(5_000)}'), Reason.UNDECODABLE),
    Case("digits_1001", _object("digits_1001", f',"x":0.{"7" * MAX_NUMBER_DIGITS}'), Reason.UNDECODABLE),
    Case("name_50001", lambda: _object("name_50001", f',"{"n" * 50_001}":1'), Reason.UNDECODABLE),
    Case("empty_array", b"[]", Reason.NOT_AN_OBJECT),
    Case("string", b'"text"', Reason.NOT_AN_OBJECT),
    Case("bare_number", b"5", Reason.NOT_AN_OBJECT),
    Case("null", b"null", Reason.NOT_AN_OBJECT),
    Case(
        "array_of_two_events",
        b"[" + _object("array_1") + b"," + _object("array_2") + b"]",
        Reason.NOT_AN_OBJECT,
    ),
    Case("array_truncated", b"[" + _object("array_truncated") + b",", Reason.UNDECODABLE),
    Case("text_after_object", _object("text_after") + b" x", Reason.TRAILING_BYTES),
    Case("two_objects", _object("two_1") + _object("two_2"), Reason.TRAILING_BYTES),
    Case("nul_after_object", _object("nul_after") + b"\x00", Reason.TRAILING_BYTES),
)

_BAD_FIELDS: Final = (
    Case("no_fields", b"{}", Reason.MISSING_FIELD),
    Case("missing_event_id", b'{"user_name":"b","location":"c"}', Reason.MISSING_FIELD),
    Case("missing_location", b'{"event_id":"missing_location","user_name":"b"}', Reason.MISSING_FIELD),
    Case("other_case", b'{"EVENT_ID":"a","user_name":"b","location":"c"}', Reason.MISSING_FIELD),
    Case("kept_field_nested_only", b'{"event":{"event_id":"a"},"user_name":"b","location":"c"}', Reason.MISSING_FIELD),
    Case(
        "repeated_kept_field",
        b'{"event_id":"first","event_id":"repeated","user_name":"b","location":"c"}',
        Reason.REPEATED_FIELD,
    ),
    Case("repeated_last", _object("kept_first", ',"event_id":"last"'), Reason.REPEATED_FIELD),
    Case(
        "repeated_by_escape",
        _object("repeated_by_escape", r',"\u006cocation":"Rome"'),
        Reason.REPEATED_FIELD,
    ),
    Case(
        "repeated_equal_values",
        _object("repeated_equal_values", ',"location":"Oslo"'),
        Reason.REPEATED_FIELD,
    ),
    _location_case("null_location", "null", Reason.NULL_FIELD),
    _location_case("object_location", '{"city": "Oslo"}', Reason.WRONG_TYPE),
    _location_case("array_location", '["Oslo"]', Reason.WRONG_TYPE),
    _location_case("text_like_object", '"{Oslo}"', Reason.WRONG_TYPE),
    _location_case("text_like_array", '"[Oslo"', Reason.WRONG_TYPE),
    _location_case("lone_high_surrogate", r'"a\ud800b"', Reason.LONE_SURROGATE),
    _location_case("lone_low_surrogate", r'"a\udc00b"', Reason.LONE_SURROGATE),
    _location_case("surrogates_swapped", r'"\ude00\ud83d"', Reason.LONE_SURROGATE),
    _location_case("escaped_nul", r'"Os\u0000lo"', Reason.CONTROL_CHARACTER),
    _location_case("raw_tab", '"Os\tlo"', Reason.CONTROL_CHARACTER),
    _location_case("escaped_newline", r'"Oslo\n"', Reason.CONTROL_CHARACTER),
    _location_case("delete_character", '"Os\x7flo"', Reason.CONTROL_CHARACTER),
    _location_case("empty_location", '""', Reason.BLANK),
    _location_case("spaces", '"   "', Reason.BLANK),
    _location_case("location_101", f'"{"l" * 101}"', Reason.TOO_LONG),
    _location_case("location_101_emoji", f'"{"🗺" * 101}"', Reason.TOO_LONG),
    _location_case("number_101", "1" * 101, Reason.TOO_LONG),
    Case("event_id_51", _object("e" * 51), Reason.TOO_LONG),
    Case("user_name_51", _object("user_name_51", user_name=f'"{"u" * 51}"'), Reason.TOO_LONG),
    Case("user_name_51_emoji", _object("emoji_51", user_name=f'"{"😀" * 51}"'), Reason.TOO_LONG),
)

CASES: Final[tuple[Case, ...]] = _VALID + _BAD_RECORDS + _BAD_FIELDS
