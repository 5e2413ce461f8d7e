"""The dead letters as they are shown: counts by reason, the state of redrives, and the newest, safely printable."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from orchestration.ledger.offsets import OffsetSet
from orchestration.ledger.statements import statement
from orchestration.resources.postgres import PostgresResource
from orchestration.text import as_text
from orchestration.text import printable as escaped

SHOWN_LETTERS: Final = 20
SHOWN_BYTES: Final = 80


@dataclass(frozen=True)
class ShownLetter:
    """A dead letter for a person to look at: the value's first bytes, escaped; `size_bytes` is None for a tombstone."""

    partition: int
    offset: int
    reason: str
    detail: str
    value: str
    size_bytes: int | None
    recorded_at: datetime
    redrive: str


@dataclass(frozen=True)
class Letters:
    """The dead letters of one topic: how many by reason, redrives by state, and the newest letters."""

    by_reason: dict[str, int]
    redrives: dict[str, int]
    newest: tuple[ShownLetter, ...]

    @property
    def total(self) -> int:
        """All dead letters."""
        return sum(self.by_reason.values())


def read_letters(postgres: PostgresResource, topic: str, limit: int = SHOWN_LETTERS) -> Letters:
    """Read them as they are now, of the newest at most `limit`.

    Raises:
        TransientError: Postgres is out of reach.
    """
    parameters: dict[str, Any] = {"topic": topic, "limit": limit, "shown_bytes": SHOWN_BYTES}
    with postgres.connect("reader") as connection, connection.cursor() as cursor:
        cursor.execute(statement("dead_letters_by_reason"), parameters)
        by_reason = dict(cursor.fetchall())
        cursor.execute(statement("dead_letters_redrives"), parameters)
        redrives = dict(cursor.fetchall())
        cursor.execute(statement("dead_letters_newest"), parameters)
        return Letters(by_reason, redrives, tuple(map(_shown, cursor.fetchall())))


def read_letter(postgres: PostgresResource, topic: str, partition: int, offset: int) -> dict[str, Any] | None:
    """All that is known of one letter, by column; None if there is no letter of that place.

    Raises:
        TransientError: Postgres is out of reach.
    """
    place = {"topic": topic, "partition": partition, "offset": offset}
    with postgres.connect("reader") as connection, connection.cursor() as cursor:
        cursor.execute(statement("dead_letter"), place)
        row = cursor.fetchone()
        names = [column.name for column in cursor.description or ()]
    if row is None:
        return None
    return {n: bytes(v) if isinstance(v, memoryview) else v for n, v in zip(names, row, strict=True)}


def read_deleted(postgres: PostgresResource, topic: str, window_s: float) -> dict[int, OffsetSet]:
    """Letters that the ledger knows and that are missing, or were missing and have been restored within the window.

    Raises:
        TransientError: Postgres is out of reach.
    """
    with postgres.connect("reader") as connection, connection.cursor() as cursor:
        cursor.execute(statement("letters_deleted"), {"topic": topic, "window_s": window_s})
        return {partition: OffsetSet.from_sql(text) for partition, text in cursor.fetchall()}


def _shown(row: tuple[Any, ...]) -> ShownLetter:
    partition, offset, reason, detail, value, size_bytes, recorded_at, redrive = row
    head = None if value is None else bytes(value)
    text = printable(head, truncated=(size_bytes or 0) > SHOWN_BYTES)
    return ShownLetter(partition, offset, reason, printable(detail.encode()), text, size_bytes, recorded_at, redrive)


def printable(value: bytes | None, truncated: bool = False) -> str:
    """Bytes as one line that no terminal or browser takes for anything but text: what is not printable is escaped."""
    if value is None:
        return ""
    shown = escaped(as_text(value))
    return f"{shown}..." if truncated else shown
