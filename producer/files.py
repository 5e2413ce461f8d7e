"""Records from a user's own file or standard input.

NDJSON: each line is sent as its bytes are, valid or not; a blank line is sent as it is too, an empty record. CSV: the
first row names the fields, each further row becomes a JSON object of strings, with fields a short row lacks left out
and surplus ones under ``surplus``; a row the CSV reader refuses is sent as its bytes are. Nothing is dropped.
"""

from __future__ import annotations

import csv
import json
import os
import select
from collections.abc import Callable, Iterator
from typing import Final

from contract.event import KEPT_FIELDS, MAX_RECORD_BYTES
from producer.errors import UsageError
from producer.record import Kind, Record, key_of

_CHUNK_BYTES: Final = 1 << 16
_WAIT_S: Final = 0.2
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
# About 70 bytes of memory each.
_MAX_REMEMBERED_IDS: Final = 5_000_000

# Called about every 0.2 s while a read waits for input; may raise StopRequested.
Wait = Callable[[], None]


class FileRecords:
    """The records of an open file, read as they come. A record whose event_id came before is a DUPLICATE.

    ``duplicates_exact`` turns false when more distinct ids came than are remembered. Whether a record is valid is not
    looked at. Iterating raises UsageError for a CSV file whose first row names none of the kept fields.
    """

    def __init__(self, file_descriptor: int, file_format: str, wait: Wait) -> None:
        read = _csv_values if file_format == "csv" else _ndjson_values
        self._values = read(file_descriptor, wait)
        self._seen: set[int] = set()
        self.duplicates_exact = True

    def __iter__(self) -> Iterator[Record]:
        for value in self._values:
            key = key_of(value)
            yield Record(value, key, Kind.DUPLICATE if key is not None and self._repeats(key) else Kind.PLAIN)

    def _repeats(self, key: bytes) -> bool:
        identity = hash(key)
        if identity in self._seen:
            return True
        if len(self._seen) < _MAX_REMEMBERED_IDS:
            self._seen.add(identity)
        else:
            self.duplicates_exact = False
        return False


def _lines(file_descriptor: int, wait: Wait, kept_bytes: int | None = None) -> Iterator[bytes]:
    """The lines of a file without their line feeds, each cut off somewhere after ``kept_bytes`` if that is given."""
    rest = b""
    while chunk := _read_chunk(file_descriptor, wait):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()[:kept_bytes]
        yield from lines
    if rest:
        yield rest


def _read_chunk(file_descriptor: int, wait: Wait) -> bytes:
    # A plain read of a quiet pipe would hold back the report and the reaction to SIGTERM.
    while not select.select([file_descriptor], [], [], _WAIT_S)[0]:
        wait()
    return os.read(file_descriptor, _CHUNK_BYTES)


def _ndjson_values(file_descriptor: int, wait: Wait) -> Iterator[bytes]:
    # One byte beyond the limit is enough for the publisher to refuse the record; the rest could fill the memory.
    return _lines(file_descriptor, wait, MAX_RECORD_BYTES + 1)


def _csv_values(file_descriptor: int, wait: Wait) -> Iterator[bytes]:
    csv.field_size_limit(2 * MAX_RECORD_BYTES)
    lines = _RememberedLines(_lines(file_descriptor, wait))
    rows = csv.reader(lines)
    names = next(rows, None)
    if names is None:
        return
    if not {field.name for field in KEPT_FIELDS} & set(names):
        raise UsageError(
            f"the first row of the CSV must name the fields, but it is {','.join(names)[:80]!r}; add a header"
        )
    while True:
        lines.current.clear()
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield b"\n".join(lines.current)
        else:
            yield _as_object(names, row) if row else b""


class _RememberedLines:
    """Lines as the csv module wants them, with the bytes of those read since ``current`` was cleared."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._at_start = True
        self.current: list[bytes] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        if self._at_start:
            line = line.removeprefix(_BYTE_ORDER_MARK)
            self._at_start = False
        self.current.append(line)
        # surrogateescape brings bytes that are not UTF-8 through the csv module unchanged.
        return line.decode("utf-8", "surrogateescape") + "\n"


def _as_object(names: list[str], row: list[str]) -> bytes:
    members: dict[str, str | list[str]] = dict(zip(names, row, strict=False))
    if len(row) > len(names):
        members["surplus"] = row[len(names) :]
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")
