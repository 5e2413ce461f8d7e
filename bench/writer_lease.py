"""What the writer lease costs the sink: `python -m bench.writer_lease --rows 400000`.

Upserts as Flink's JDBC sink does (statements of 128 rows, a transaction each 1,024) into a schema of its own on the
servers of the settings (PI3_STACK_DIR), in turns with and without the triggers. Prints the ratio of the medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time

import psycopg2.extensions
from psycopg2.extras import execute_values

from bench.site import execute, site
from flink_jobs.builder import Definition
from orchestration.lifecycle.record import Version, take_lease
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import load_settings

UPSERT = """
    INSERT INTO events (event_id, user_name, location, kafka_partition, kafka_offset, produced_at) VALUES %s
    ON CONFLICT (event_id) DO UPDATE SET user_name = excluded.user_name, location = excluded.location,
        kafka_partition = excluded.kafka_partition, kafka_offset = excluded.kafka_offset,
        produced_at = excluded.produced_at
"""
ROUNDS = 7
BATCH_ROWS = 1_024
STATEMENT_ROWS = 128


def main() -> None:
    """Measure in turns, so that a noisy machine disturbs both alike."""
    parser = argparse.ArgumentParser(prog="bench.writer_lease", description="Measure the cost of the writer lease.")
    parser.add_argument("--rows", type=int, default=200_000, help="rows of a round (default: %(default)s)")
    rows = parser.parse_args().rows
    settings = load_settings()
    with site(settings, KafkaResource(bootstrap_servers=settings.kafka_bootstrap_servers), 1) as (_, postgres):
        take_lease(postgres, "bench", "0" * 32, Version("f", Definition({}, "", "", ""), 1), None)
        for kind, first in (("new rows", True), ("updated rows", False)):
            taken_s = _measure(postgres, rows, fresh=first)
            fenced, bare = (statistics.median(taken_s[name]) for name in ("ENABLE", "DISABLE"))
            figures = {"what": kind, "rows": rows, "fenced_s": fenced, "bare_s": bare, "ratio": round(fenced / bare, 3)}
            sys.stdout.write(json.dumps(figures) + "\n")


def _measure(postgres: PostgresResource, rows: int, *, fresh: bool) -> dict[str, list[float]]:
    taken_s: dict[str, list[float]] = {"ENABLE": [], "DISABLE": []}
    for number in range(ROUNDS):
        for state, measured in taken_s.items():
            execute(postgres, f"ALTER TABLE events {state} TRIGGER USER")
            if fresh:
                execute(postgres, "TRUNCATE events")
            measured.append(_round(postgres, rows, number))
    return {state: measured[1:] for state, measured in taken_s.items()}


def _round(postgres: PostgresResource, rows: int, number: int) -> float:
    with postgres.connect("writer") as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute("SET application_name = 'bench#1'")
        started = time.perf_counter()
        for begin in range(0, rows, BATCH_ROWS):
            _batch(connection, begin, min(rows, begin + BATCH_ROWS), number)
        return time.perf_counter() - started


def _batch(connection: psycopg2.extensions.connection, begin: int, end: int, number: int) -> None:
    values = [(f"event-{n}", "Dmitri Larsen", "Lisboa, PT", 0, n + number, "2026-03-01") for n in range(begin, end)]
    with connection, connection.cursor() as cursor:
        execute_values(cursor, UPSERT, values, page_size=STATEMENT_ROWS)


if __name__ == "__main__":
    main()
