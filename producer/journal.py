"""The producer's own record of what it sent and what was acknowledged, to be compared with the table afterwards.

An append-only text file; a line that does not end in a newline was cut off. A record's number N is the place of its
line among those of ``s`` and ``m``, counted from 0.

    h 1 SEED             the head: version and the generator's seed
    s EVENT_ID DIGEST    handed to the Kafka client: a good event, and ``digest`` of the row that it must become
    m VALUE              handed to it: a malformed record in Base64; ``-`` is a tombstone, ``*`` one above 64 KiB
    a N PARTITION OFFSET the broker acknowledged record N
    f N ERROR            the client gave record N up, for good

A record without ``a`` or ``f`` was refused by the client, or is unanswered: it may have landed or not.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from itertools import count
from pathlib import Path
from typing import Final

import msgspec

from producer.errors import UsageError
from producer.record import Kind, Record

_VERSION: Final = 1
_LONGEST_VALUE_BYTES: Final = 64 * 1024


class _Kept(msgspec.Struct):
    event_id: str
    user_name: str
    location: str


_decode_kept = msgspec.json.Decoder(_Kept).decode


def digest(event_id: str, user_name: str, location: str) -> str:
    """MD5 of the three fields joined by U+001F, which none of them can hold; in Postgres
    ``md5(concat_ws(E'\\x1f', event_id, user_name, location))``."""
    joined = f"{event_id}\x1f{user_name}\x1f{location}"
    return hashlib.md5(joined.encode(), usedforsecurity=False).hexdigest()


class Journal:
    """Writes each line at once: what a kill -9 leaves is complete but for the line in hand. Raises OSError.

    5,000 records/s cost about 3 % of a core.
    """

    def __init__(self, path: Path, seed: int) -> None:
        """Start a new file. Raises UsageError if that cannot be, also because it is there already."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Open until the process ends, however it ends.
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        except OSError as error:
            raise UsageError(f"--journal {path} cannot be begun ({error.strerror}): choose another path") from error
        self._numbers = count()
        self._write(f"h {_VERSION} {seed}\n".encode())

    def hand(self, record: Record) -> int:
        """Note that the record is about to be handed to the client; gives its number."""
        self._write(_malformed(record.value) if record.kind is Kind.MALFORMED else _good(record.value))
        return next(self._numbers)

    def acknowledge(self, number: int, partition: int, offset: int) -> None:
        """Note where the broker has put the record."""
        self._write(b"a %d %d %d\n" % (number, partition, offset))

    def fail(self, number: int, error: str) -> None:
        """Note that the record was given up."""
        self._write(f"f {number} {error}\n".encode())

    def _write(self, line: bytes) -> None:
        os.write(self._file, line)


def _good(value: bytes | None) -> bytes:
    kept = _decode_kept(value or b"")
    return f"s {kept.event_id} {digest(kept.event_id, kept.user_name, kept.location)}\n".encode()


def _malformed(value: bytes | None) -> bytes:
    if value is None:
        return b"m -\n"
    return b"m *\n" if len(value) > _LONGEST_VALUE_BYTES else b"m " + b64encode(value) + b"\n"
