"""Bare COPY of a file of rows: `copy_rows FILE`; libpq's variables name Postgres. What no pipeline can beat."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import TextIO

import psycopg2

COPY = "COPY events (event_id, user_name, location, kafka_partition, kafka_offset, produced_at) FROM STDIN"
# Of a transaction, so that progress can be seen.
ROWS = 50_000


class _Lines:
    """Up to `ROWS` lines of a file, as a file."""

    def __init__(self, file: TextIO) -> None:
        self._lines = islice(file, ROWS)
        self.ended = True

    def read(self, _size: int) -> str:
        piece = "".join(islice(self._lines, 100))
        self.ended = self.ended and not piece
        return piece


def main(file: str) -> None:
    """Copy all there is."""
    connection = psycopg2.connect("")
    with Path(file).open(encoding="utf-8") as rows:
        while True:
            lines = _Lines(rows)
            with connection, connection.cursor() as cursor:
                cursor.copy_expert(COPY, lines)
            if lines.ended:
                return


if __name__ == "__main__":
    main(*sys.argv[1:])
