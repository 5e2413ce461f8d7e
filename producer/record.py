"""What a source hands to the publisher."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import msgspec


class Kind(str, Enum):
    """How a record is counted. A record has one kind only; records of a file are PLAIN or DUPLICATE."""

    PLAIN = "plain"
    MALFORMED = "malformed"
    LATE = "late"
    DUPLICATE = "duplicate"


class Record(NamedTuple):
    """One record to send: ``value`` None is a tombstone, ``timestamp_ms`` 0 lets Kafka take the time of sending."""

    value: bytes | None
    key: bytes | None
    kind: Kind = Kind.PLAIN
    timestamp_ms: int = 0


class _Identified(msgspec.Struct):
    event_id: msgspec.Raw


_decode_identified = msgspec.json.Decoder(_Identified).decode
_decode_text = msgspec.json.Decoder(str).decode


def key_of(value: bytes) -> bytes | None:
    """The event_id of a JSON object as a record key; None where it cannot be read. Numbers count as their text."""
    try:
        raw = bytes(_decode_identified(value).event_id)
        if raw[:1] == b'"':
            return _decode_text(raw).encode("utf-8")
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return None if raw[:1] in b"{[n" else raw
