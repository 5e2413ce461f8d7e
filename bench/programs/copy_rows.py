"""Bare COPY of a file of rows: `copy_rows FILE`; libpq's variables name Postgres. What no pipeline can beat.

Stays until it is ended, so that its CPU time can be read.
"""

from __future__ import annotations

import io
import signal
import sys
from itertools import islice
from pathlib import Path

import psycopg2

COPY = "COPY events (event_id, user_name, location, kafka_partition, kafka_offset, produced_at) FROM STDIN"
# Of a transaction, so that progress can be seen.
ROWS = 50_000


def main(file: str) -> None:
    """Copy all there is."""
    connection = psycopg2.connect("")
    with Path(file).open(encoding="utf-8") as rows:
        while piece := "".join(islice(rows, ROWS)):
            with connection, connection.cursor() as cursor:
                cursor.copy_expert(COPY, io.StringIO(piece))
    signal.pause()


if __name__ == "__main__":
    main(*sys.argv[1:])
