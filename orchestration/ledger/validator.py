"""Judges a record value against the event contract, in code of its own: it shares nothing with the job's SQL or parser.

Good records take the fast path: msgspec reads the three kept fields as strings and cheap checks accept them. Whatever
these do not accept is judged by the exact path, which alone can reject.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from contract.event import (
    BLANK_CHARACTER,
    CONTROL_CHARACTERS,
    EVENT_ID,
    KEPT_FIELDS,
    LOCATION,
    MAX_DEPTH,
    MAX_NAME_LENGTH,
    MAX_NUMBER_DIGITS,
    MAX_RECORD_BYTES,
    NESTED_VALUE_STARTS,
    USER_NAME,
    EventRow,
    Field,
    Reason,
)

_JSON_WHITESPACE: Final = " \t\r\n"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

# One JSON token (RFC 8259) and the whitespace before it. Strings may hold raw control characters, as in the contract.
# The string's loop is unrolled so that an unterminated one fails in linear time.
_TOKEN: Final = re.compile(
    r"""[ \t\r\n]*(?:
        (?P<mark>[{}\[\]:,])
      | (?P<string>"[^"\\]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\]*)*")
      | (?P<scalar>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null)
    )""",
    re.VERBOSE,
)
_DIGIT: Final = re.compile("[0-9]")
_CONTROL_CHARACTER: Final = re.compile(CONTROL_CHARACTERS)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

_ODD_STARTS: Final = BLANK_CHARACTER + "".join(NESTED_VALUE_STARTS)

# A record as short as this can break none of the parser's limits but the depth; longer ones take the exact path.
_FAST_MAX_BYTES: Final = min(MAX_NAME_LENGTH, MAX_RECORD_BYTES)
_LONG_NUMBER: Final = re.compile(rb"[-+.eE0-9]{%d}" % (MAX_NUMBER_DIGITS + 1))

# A kept name is spelled in quotes, or with an escape for at least one of its letters: `_` is U+005F, a-z U+0061-U+007A.
_QUOTED_EVENT_ID, _QUOTED_USER_NAME, _QUOTED_LOCATION = (f'"{field.name}"'.encode() for field in KEPT_FIELDS)
_BACKSLASH: Final = ord("\\")  # sought as a number, which is seven times as fast as b"\\"
_ESCAPED_LETTER: Final = re.compile(rb"\\u00[567]")

# What may come next, as the kinds of token: a mark stands for itself, "s" for a string, "v" for another scalar.
_VALUE: Final = "{[sv"
_FIRST_NAME: Final = "s}"
_FIRST_ITEM: Final = "{[sv]"
_NEXT_NAME: Final = "s"
_AFTER_VALUE: Final = {"{": ",}", "[": ",]"}


@dataclass(frozen=True)
class Rejection:
    """Why a record is no valid event: the contract's reason and one phrase for a person to read."""

    reason: Reason
    detail: str


class _RejectedError(Exception):
    """Carries a rejection out of the exact path."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.rejection = Rejection(reason, detail)


_decode_kept_strings: Final = msgspec.json.Decoder(EventRow).decode


def validate(value: bytes | None) -> EventRow | Rejection:
    """Judge one Kafka record value; None is a tombstone. Pure, and never raises, whatever the bytes."""
    if value is None:
        return Rejection(Reason.TOMBSTONE, "the record has no value")
    return _accept_fast(value) or _judge(value)


def _accept_fast(value: bytes) -> EventRow | None:
    """The event of a plain good record; None if the record must be judged exactly."""
    # msgspec takes the last of equal names without a word. Names of nested objects are found too, and judged exactly.
    names = value.count(_QUOTED_EVENT_ID) + value.count(_QUOTED_USER_NAME) + value.count(_QUOTED_LOCATION)
    if names > len(KEPT_FIELDS) or (_BACKSLASH in value and _ESCAPED_LETTER.search(value)):
        return None
    if not (value.isascii() or _is_utf8(value)) or (len(value) > MAX_DEPTH and not _within_parser_limits(value)):
        return None
    try:
        row = _decode_kept_strings(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return row if _plainly_good(row) else None


def _is_utf8(value: bytes) -> bool:
    # msgspec does not look at the bytes of what it skips.
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _within_parser_limits(value: bytes) -> bool:
    # msgspec's depth limit is Python's own.
    return (
        len(value) <= _FAST_MAX_BYTES
        and value.count(b"[") + value.count(b"{") <= MAX_DEPTH
        and _LONG_NUMBER.search(value) is None
    )


def _plainly_good(row: EventRow) -> bool:
    event_id, user_name, location = row.event_id, row.user_name, row.location
    # isprintable() refuses each control character and surrogate, and the first letters each blank or nested text.
    return (
        0 < len(event_id) <= EVENT_ID.max_length
        and 0 < len(user_name) <= USER_NAME.max_length
        and 0 < len(location) <= LOCATION.max_length
        and event_id[0] not in _ODD_STARTS
        and user_name[0] not in _ODD_STARTS
        and location[0] not in _ODD_STARTS
        and (event_id + user_name + location).isprintable()
    )


def _judge(value: bytes) -> EventRow | Rejection:
    """The exact path."""
    try:
        members = _members_of(_decoded(value))
        return EventRow(*(_kept_text(members, field) for field in KEPT_FIELDS))
    except _RejectedError as rejected:
        return rejected.rejection


def _decoded(value: bytes) -> str:
    if len(value) > MAX_RECORD_BYTES:
        raise _RejectedError(Reason.OVERSIZE, f"{len(value)} bytes, more than {MAX_RECORD_BYTES}")
    try:
        text = value.removeprefix(_BYTE_ORDER_MARK).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _RejectedError(Reason.UNDECODABLE, f"not UTF-8 at byte {error.start} of the text") from error
    if not text.strip(_JSON_WHITESPACE):
        raise _RejectedError(Reason.EMPTY, f"{len(value)} bytes, none but whitespace")
    return text


def _members_of(text: str) -> dict[str, list[str]]:
    """The members of the one object in ``text``: name to the first token of each value that it is given."""
    members: dict[str, list[str]] = {}
    name = kind = ""
    for token in _tokens(text):
        kind = kind or token.text[0]
        if token.depth == 1 and token.is_name:
            name = _unescaped(token.text)
        elif token.depth == 1 and token.opens_value:
            members.setdefault(name, []).append(token.text)
    if kind != "{":
        raise _RejectedError(Reason.NOT_AN_OBJECT, f"JSON that starts with {kind!r}, not an object")
    rest = text[token.end :].strip(_JSON_WHITESPACE)
    if rest:
        raise _RejectedError(Reason.TRAILING_BYTES, f"{len(rest)} characters after the object")
    return members


@dataclass
class _Token:
    """A token in its place: ``depth`` counts the objects and arrays around it, ``end`` is the index after it."""

    text: str
    depth: int
    is_name: bool
    opens_value: bool
    end: int


def _tokens(text: str) -> Iterator[_Token]:
    """The tokens of the one JSON value at the start of ``text``, grammar and limits checked; not recursive."""
    around: list[str] = []
    expected = _VALUE
    position = 0
    while True:
        match = _TOKEN.match(text, position)
        kind = _kind(match) if match else ""
        if match is None or kind not in expected:
            raise _RejectedError(Reason.UNDECODABLE, f"not JSON at character {position} of {len(text)}")
        position = match.end()
        is_name = kind == "s" and expected in (_FIRST_NAME, _NEXT_NAME)
        opens_value = kind in _VALUE and not is_name
        yield _Token(match[match.lastgroup or 0], len(around), is_name, opens_value, position)
        if kind in "{[":
            around.append(kind)
            expected = _FIRST_NAME if kind == "{" else _FIRST_ITEM
        elif kind in ":,":
            expected = _NEXT_NAME if kind == "," and around[-1] == "{" else _VALUE
        else:
            if kind in "}]":
                around.pop()
            if not around:
                return
            expected = ":" if is_name else _AFTER_VALUE[around[-1]]
        _check_limits(match, kind, is_name, len(around))


def _kind(match: re.Match[str]) -> str:
    if match.lastgroup == "mark":
        return match["mark"]
    return "s" if match.lastgroup == "string" else "v"


def _check_limits(match: re.Match[str], kind: str, is_name: bool, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _RejectedError(Reason.UNDECODABLE, f"nested deeper than {MAX_DEPTH}")
    length = match.end() - match.start()
    if is_name and length > MAX_NAME_LENGTH and len(_unescaped(match["string"])) > MAX_NAME_LENGTH:
        raise _RejectedError(Reason.UNDECODABLE, f"a name of more than {MAX_NAME_LENGTH} characters")
    if kind == "v" and length > MAX_NUMBER_DIGITS and len(_DIGIT.findall(match["scalar"])) > MAX_NUMBER_DIGITS:
        raise _RejectedError(Reason.UNDECODABLE, f"a number of more than {MAX_NUMBER_DIGITS} digits")


def _unescaped(string_token: str) -> str:
    if "\\" not in string_token:
        return string_token[1:-1]
    text: str = json.loads(string_token, strict=False)
    return text


def _kept_text(members: dict[str, list[str]], field: Field) -> str:
    """The text of a kept field; raises for the first of its faults in the order of ``Reason``."""
    tokens = members.get(field.name, [])
    if len(tokens) != 1:
        if not tokens:
            raise _RejectedError(Reason.MISSING_FIELD, f"{field.name} is missing")
        raise _RejectedError(Reason.REPEATED_FIELD, f"{field.name} is given {len(tokens)} times")
    token = tokens[0]
    if token == "null":  # noqa: S105
        raise _RejectedError(Reason.NULL_FIELD, f"{field.name} is null")
    text = _unescaped(token) if token.startswith('"') else token
    for reason, fault in _text_faults(text, field):
        raise _RejectedError(reason, f"{field.name} {fault}")
    return text


def _text_faults(text: str, field: Field) -> Iterator[tuple[Reason, str]]:
    if text.startswith(NESTED_VALUE_STARTS):
        yield Reason.WRONG_TYPE, f"is or looks like a nested value: it starts with {text[0]}"
    if _SURROGATE.search(text):
        yield Reason.LONE_SURROGATE, "holds half of a surrogate pair"
    if control := _CONTROL_CHARACTER.search(text):
        yield Reason.CONTROL_CHARACTER, f"holds U+{ord(control[0]):04X}"
    if not text.strip(BLANK_CHARACTER):
        yield Reason.BLANK, "is blank"
    if len(text) > field.max_length:
        yield Reason.TOO_LONG, f"has {len(text)} characters, more than {field.max_length}"
