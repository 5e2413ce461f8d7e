"""The rule for a valid event.

A Kafka record is a valid event when all of this holds:

* its value is exactly one JSON object in UTF-8, with nothing but JSON whitespace after it. One byte order mark at the
  very start is skipped. Control characters may stand unescaped inside strings, as Flink's JSON format allows;
* the record is at most ``MAX_RECORD_BYTES`` long, objects and arrays nest at most ``MAX_DEPTH`` deep (the outermost
  object is depth 1), no number has more than ``MAX_NUMBER_DIGITS`` digits and no name more than ``MAX_NAME_LENGTH``
  characters. The last three are the defaults of Jackson's StreamReadConstraints, which bind the job's JSON format;
* the object has each of ``KEPT_FIELDS`` exactly once. A name given twice is refused, since parsers differ in which of
  the values they take; escapes count as what they stand for, and names within nested objects do not count;
* a kept value is a string, a number or a boolean. A number or boolean counts as its literal text in the record:
  ``12.50`` is the text ``12.50``, ``true`` the text ``true``;
* that text has 1 to ``max_length`` Unicode code points, holds at least one character other than the space U+0020,
  holds no control character (``CONTROL_CHARACTERS``) and no lone surrogate, and does not start with ``{`` or ``[``:
  in the job such a text cannot be told from an object or an array turned into text.

Any other field of the object is free. A record that breaks the rule is rejected for exactly one ``Reason``: faults of
the record come before faults of a field, fields are judged in the order of ``KEPT_FIELDS``, and the faults of one field
in the order in which ``Reason`` lists them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

# Both Python's `re` and Flink SQL's REGEXP read this pattern alike; Postgres text cannot hold U+0000 at all.
CONTROL_CHARACTERS: Final = r"[\x00-\x1f\x7f]"

# SQL's TRIM strips U+0020 and nothing else, so this is the only character that counts as blank.
BLANK_CHARACTER: Final = " "

# A kept text that starts with one of these is taken for a nested value.
NESTED_VALUE_STARTS: Final = ("{", "[")

# 1 MiB: Kafka's own default limit for a record batch (message.max.bytes, 1048588) without the batch header.
MAX_RECORD_BYTES: Final = 1_048_576

# https://javadoc.io/doc/com.fasterxml.jackson.core/jackson-core/latest, StreamReadConstraints.DEFAULT_MAX_*
MAX_DEPTH: Final = 1_000
MAX_NUMBER_DIGITS: Final = 1_000
MAX_NAME_LENGTH: Final = 50_000


@dataclass(frozen=True)
class Field:
    """A kept field: its JSON name, which is also its column, and its greatest length in Unicode code points."""

    name: str
    max_length: int


EVENT_ID: Final = Field("event_id", 50)
USER_NAME: Final = Field("user_name", 50)
LOCATION: Final = Field("location", 100)
KEPT_FIELDS: Final = (EVENT_ID, USER_NAME, LOCATION)


@dataclass(frozen=True)
class EventRow:
    """The kept fields of one valid event, as they land in the table."""

    event_id: str
    user_name: str
    location: str


class Reason(str, Enum):
    """Why a record is no valid event. The list is closed; the values are stored in the dead letters."""

    # Faults of the record.
    TOMBSTONE = "tombstone"  # no value at all
    EMPTY = "empty"  # no byte, or JSON whitespace only
    OVERSIZE = "oversize"  # longer than MAX_RECORD_BYTES
    UNDECODABLE = "undecodable"  # not UTF-8, not JSON, or beyond one of the parser's limits
    NOT_AN_OBJECT = "not_an_object"  # JSON, but an array, string, number, boolean or null
    TRAILING_BYTES = "trailing_bytes"  # something after the object

    # Faults of a kept field.
    MISSING_FIELD = "missing_field"
    REPEATED_FIELD = "repeated_field"  # given more than once in the object
    NULL_FIELD = "null_field"
    WRONG_TYPE = "wrong_type"  # an object or array, or a text that starts like one
    LONE_SURROGATE = "lone_surrogate"
    CONTROL_CHARACTER = "control_character"
    BLANK = "blank"  # no character, or spaces only
    TOO_LONG = "too_long"
