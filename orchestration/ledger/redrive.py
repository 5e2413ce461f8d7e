"""What a redrive does with a dead letter: decided here, without I/O.

A redrive publishes the letter, repaired or not, as a new record of the same topic, with headers that link it to the
original. The original offset stays dead in the ledger; the new offset is accounted for like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from importlib import import_module
from typing import Final

from contract.event import EventRow, Reason
from orchestration.errors import ConfigurationError
from orchestration.ledger.validator import validate

HEADER: Final = "pi3.redrive."

Place = tuple[int, int]  # partition, offset
Header = tuple[str, bytes | None]
Fix = Callable[[bytes, bytes | None], bytes | None]


@dataclass(frozen=True)
class Selection:
    """Which letters to redrive; what is None selects all. `since` and `until` go by the record's own timestamp.

    `unconfirmed` also takes letters whose last redrive was never confirmed, and `again` those that were published.
    """

    reasons: tuple[str, ...] | None = None
    partition: int | None = None
    from_offset: int | None = None
    to_offset: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    unconfirmed: bool = False
    again: bool = False

    def check(self) -> None:
        """Refuse a selection that selects everything, or a reason that there is not.

        Raises:
            ConfigurationError: see above.
        """
        chosen = (self.reasons, self.partition, self.from_offset, self.to_offset, self.since, self.until)
        if all(value is None for value in chosen):
            raise ConfigurationError("select the letters: by reasons, partition and offsets, or since and until")
        known = [reason.value for reason in Reason]
        if unknown := [reason for reason in self.reasons or () if reason not in known]:
            raise ConfigurationError(f"no such reason: {', '.join(unknown)}; there are {', '.join(known)}")

    @property
    def states(self) -> list[str]:
        """Redrive states that may be claimed; a letter that was never redriven counts as refused."""
        return ["refused", *(["claimed"] if self.unconfirmed else []), *(["published"] if self.again else [])]


@dataclass(frozen=True)
class Letter:
    """A dead letter; `attempts` counts the claims on it so far."""

    place: Place
    reason: str
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    produced_at: datetime | None
    attempts: int


class Left(str, Enum):
    """Why a selected letter was left as it is."""

    NO_VALUE = "a tombstone has no value to send"
    NOT_FIXED = "the fixing function returned None"
    FIX_FAILED = "the fixing function failed"
    STILL_INVALID = "it would be a dead letter again"
    NEWER_ROW = "events already holds a younger record of its event_id"
    TAKEN = "another redrive took it"
    REFUSED = "the Kafka client refused it"
    UNCONFIRMED = "sent, but not confirmed: it may be in the topic"


@dataclass(frozen=True)
class Outgoing:
    """A record to publish; `event_id` is None if it breaks the contract."""

    letter: Letter
    key: bytes | None
    value: bytes
    headers: tuple[Header, ...]
    event_id: str | None


@dataclass(frozen=True)
class LeftLetter:
    """A letter that was left, with a detail for a person to read."""

    place: Place
    why: Left
    detail: str = ""


def prepare(letter: Letter, topic: str, fix: Fix | None, even_if_invalid: bool) -> Outgoing | LeftLetter:
    """Repair a letter, judge the result by the ledger's own validator, and address it."""
    value = _fixed(letter, fix)
    if isinstance(value, LeftLetter):
        return value
    verdict = validate(value)
    if isinstance(verdict, EventRow):
        # The key decides the partition, and with it the order among the events of one id.
        return Outgoing(letter, verdict.event_id.encode(), value, link(letter, topic), verdict.event_id)
    if even_if_invalid:
        return Outgoing(letter, letter.key, value, link(letter, topic), None)
    return LeftLetter(letter.place, Left.STILL_INVALID, f"{verdict.reason.value}: {verdict.detail}")


def _fixed(letter: Letter, fix: Fix | None) -> bytes | LeftLetter:
    if letter.value is None:
        return LeftLetter(letter.place, Left.NO_VALUE)
    try:
        value = fix(letter.value, letter.key) if fix else letter.value
    except Exception as error:  # the function is the user's, and one letter must not stop the others
        return LeftLetter(letter.place, Left.FIX_FAILED, f"{type(error).__name__}: {error}")
    if value is None:
        return LeftLetter(letter.place, Left.NOT_FIXED)
    if not isinstance(value, bytes):
        return LeftLetter(letter.place, Left.FIX_FAILED, f"it returned {type(value).__name__}, not bytes or None")
    return value


def link(letter: Letter, topic: str) -> tuple[Header, ...]:
    """The letter's own headers, and those that lead back to it; of a chain of redrives the last link is kept."""
    kept = tuple(header for header in letter.headers if not header[0].startswith(HEADER))
    partition, offset = letter.place
    facts = {"topic": topic, "partition": partition, "offset": offset, "reason": letter.reason}
    return (*kept, *((f"{HEADER}{name}", str(fact).encode()) for name, fact in facts.items()))


def without_newer(outgoing: Sequence[Outgoing], newer_event_ids: set[str]) -> tuple[list[Outgoing], list[LeftLetter]]:
    """Part what may be sent from what would set a row of `events` back to an older record."""
    newer = [item for item in outgoing if item.event_id in newer_event_ids]
    left = [LeftLetter(item.letter.place, Left.NEWER_ROW, f"event_id {item.event_id}") for item in newer]
    return [item for item in outgoing if item not in newer], left


def load_fix(path: str) -> Fix | None:
    """The fixing function at `package.module.function`; None for an empty path.

    It is called with the letter's value and key, and returns the repaired value, or None to leave the letter.

    Raises:
        ConfigurationError: there is no such function.
    """
    if not path:
        return None
    module, _, name = path.replace(":", ".").rpartition(".")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"no fixing function {path}: {error}") from error
    if not callable(found):
        raise ConfigurationError(f"{path} is no function but {type(found).__name__}")
    fix: Fix = found
    return fix
