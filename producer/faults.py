"""Ways in which real producers break events. Each takes a good event and gives a record that the contract rejects."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from contract.event import LOCATION, MAX_DEPTH, MAX_RECORD_BYTES, USER_NAME, Reason

_LOCATION_MEMBER: Final = re.compile(rb'"location":"[^"]*"')
_USER_NAME_MEMBER: Final = re.compile(rb'"user_name":"[^"]*",')


@dataclass(frozen=True)
class Fault:
    """A kind of damage; ``damage`` maps a generated event's JSON to the broken record value (None: a tombstone)."""

    name: str
    reason: Reason
    damage: Callable[[bytes], bytes | None]


def _constant(name: str, reason: Reason, value: bytes | None) -> Fault:
    return Fault(name, reason, lambda _event: value)


def _location(name: str, reason: Reason, raw: bytes) -> Fault:
    """The event with the raw JSON ``raw`` as its location."""
    member = b'"location":' + raw
    return Fault(name, reason, lambda event: _LOCATION_MEMBER.sub(lambda _match: member, event, count=1))


def _further_member(name: str, reason: Reason, member: bytes) -> Fault:
    """The event with one more member at its end."""
    return Fault(name, reason, lambda event: event[:-1] + b"," + member + b"}")


_DEEP: Final = b"[" * (2 * MAX_DEPTH) + b"]" * (2 * MAX_DEPTH)
_PADDING: Final = b'"padding":"' + b"x" * MAX_RECORD_BYTES + b'"'

FAULTS: Final[tuple[Fault, ...]] = (
    _constant("tombstone", Reason.TOMBSTONE, None),
    _constant("empty", Reason.EMPTY, b""),
    _constant("not_json", Reason.UNDECODABLE, b"{bad"),
    Fault("truncated", Reason.UNDECODABLE, lambda event: event[: len(event) * 2 // 3]),
    Fault("invalid_utf8", Reason.UNDECODABLE, lambda event: event.replace(b'"note":null', b'"note":"caf\xe9"')),
    _further_member("not_a_number", Reason.UNDECODABLE, b'"tip":NaN'),
    _further_member("deep_nesting", Reason.UNDECODABLE, b'"tree":' + _DEEP),
    _constant("empty_array", Reason.NOT_AN_OBJECT, b"[]"),
    _constant("string", Reason.NOT_AN_OBJECT, b'"text"'),
    _constant("number", Reason.NOT_AN_OBJECT, b"5"),
    _constant("null", Reason.NOT_AN_OBJECT, b"null"),
    Fault("array_of_events", Reason.NOT_AN_OBJECT, lambda event: b"[" + event + b"]"),
    Fault("text_after", Reason.TRAILING_BYTES, lambda event: event + b";"),
    Fault("two_events", Reason.TRAILING_BYTES, lambda event: event + event),
    Fault("missing_event_id", Reason.MISSING_FIELD, lambda event: event.replace(b'"event_id"', b'"eventId"', 1)),
    Fault("missing_user_name", Reason.MISSING_FIELD, lambda event: _USER_NAME_MEMBER.sub(b"", event, count=1)),
    _further_member("repeated_location", Reason.REPEATED_FIELD, b'"location":"Oslo"'),
    _location("null_location", Reason.NULL_FIELD, b"null"),
    _location("nested_location", Reason.WRONG_TYPE, b'{"city":"Oslo","country":"NO"}'),
    _location("array_location", Reason.WRONG_TYPE, b"[59.91,10.75]"),
    _location("lone_surrogate", Reason.LONE_SURROGATE, rb'"Oslo \ud83d"'),
    _location("escaped_nul", Reason.CONTROL_CHARACTER, rb'"Oslo\u0000"'),
    _location("raw_tab", Reason.CONTROL_CHARACTER, b'"Oslo\tNO"'),
    _location("empty_location", Reason.BLANK, b'""'),
    _location("blank_location", Reason.BLANK, b'"   "'),
    _location("long_location", Reason.TOO_LONG, b'"' + b"L" * (LOCATION.max_length + 1) + b'"'),
    Fault(
        "long_user_name",
        Reason.TOO_LONG,
        lambda event: _USER_NAME_MEMBER.sub(
            b'"user_name":"' + b"U" * (USER_NAME.max_length + 1) + b'",', event, count=1
        ),
    ),
    _further_member("oversize", Reason.OVERSIZE, _PADDING),
)

# A megabyte is rare among real faults too, and as frequent as the others it would be nearly all of the traffic.
WEIGHTS: Final = tuple(1 if fault.reason is Reason.OVERSIZE else 100 for fault in FAULTS)
