"""What a pass of the ledger takes: `python -m bench.ledger_pass --offsets 10000000`.

Fills a topic and a schema of its own on the servers of the settings (PI3_STACK_DIR): of a hundred records one is bad,
spread evenly, and one is superseded by a later one. Rows land by INSERT, so Flink is not needed. Prints one JSON line a
measurement, and removes both at the end. Memory and CPU are those of this process alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator

import psutil

from bench.site import execute, send, site
from orchestration.ledger.accounting import PassReport
from orchestration.ledger.audit import Limits, run_pass
from orchestration.ledger.reader import RecordReader
from orchestration.resources.brokers import Brokers
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import load_settings

PARTITIONS = 4
ROWS_PER_INSERT = 200_000
FILLER = "x" * 340
BAD = b"{bad"

# Record n is bad if n % 100 = 99. Record n with n % 100 = 90 has the id of n - 40, which lies in the same partition.
LAND = """
    INSERT INTO events (event_id, user_name, location, kafka_partition, kafka_offset, produced_at)
    SELECT 'event-' || CASE WHEN n %% 100 = 90 THEN n - 40 ELSE n END, 'Dmitri Larsen', 'Lisboa, PT', n %% 4, n / 4,
        clock_timestamp()
    FROM generate_series(%(begin)s, %(end)s - 1) AS n
    WHERE n %% 100 NOT IN (50, 99)
"""


def main() -> None:
    """Fill, measure, remove."""
    arguments = _arguments()
    settings = load_settings()
    kafka = KafkaResource(bootstrap_servers=settings.kafka_bootstrap_servers)
    with site(settings, kafka, PARTITIONS) as (topic, postgres):
        _fill(kafka, postgres, topic, 0, arguments.offsets)
        with RecordReader(Brokers.of(settings), topic) as reader:
            limits = Limits(arguments.time_budget_s, 0.0)
            _report("first pass", lambda: run_pass(postgres, reader, _ends(kafka, topic), limits))
            _fill(kafka, postgres, topic, arguments.offsets, 4_000)
            _report("4,000 new offsets", lambda: run_pass(postgres, reader, _ends(kafka, topic), limits))
            everything = Limits(arguments.time_budget_s, arguments.time_budget_s)
            _report("recount of everything", lambda: run_pass(postgres, reader, _ends(kafka, topic), everything))
            execute(postgres, "DELETE FROM events WHERE kafka_offset IN (7, 70, 700)")
            _report("recount, 12 rows deleted", lambda: run_pass(postgres, reader, _ends(kafka, topic), everything))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.ledger_pass", description="Measure a pass of the ledger.")
    parser.add_argument("--offsets", type=int, default=1_000_000, help="a multiple of 100")
    parser.add_argument("--time-budget-s", type=float, default=600.0)
    return parser.parse_args()


def _fill(kafka: KafkaResource, postgres: PostgresResource, topic: str, begin: int, count: int) -> None:
    send(kafka.bootstrap_servers, topic, PARTITIONS, _values(begin, begin + count))
    for first in range(begin, begin + count, ROWS_PER_INSERT):
        with postgres.connect("writer") as connection, connection, connection.cursor() as cursor:
            cursor.execute(LAND, {"begin": first, "end": min(first + ROWS_PER_INSERT, begin + count)})


def _values(begin: int, end: int) -> Iterator[bytes | None]:
    for number in range(begin, end):
        event = number - 40 if number % 100 == 90 else number
        yield (
            BAD
            if number % 100 == 99
            else (
                f'{{"event_id":"event-{event}","user_name":"Dmitri Larsen","location":"Lisboa, PT","note":"{FILLER}"}}'
            ).encode()
        )


def _ends(kafka: KafkaResource, topic: str) -> dict[int, int]:
    """As if the job had committed all there is."""
    return {partition: span.end for partition, span in kafka.offsets(topic).items()}


def _report(name: str, measure: Callable[[], PassReport]) -> None:
    process = psutil.Process()
    before_bytes, cpu = process.memory_info().rss, time.process_time()
    done = measure()
    audited = sum(p.audited.end - p.audited.begin for p in done.partitions.values())
    figures = {
        "measurement": name,
        "audited": audited,
        "recounted": sum(partition.recounted for partition in done.partitions.values()),
        "seconds": round(done.duration_s, 2),
        "cpu_s": round(time.process_time() - cpu, 2),
        "rss_before_mib": before_bytes >> 20,
        "peak_rss_mib": done.peak_rss_bytes >> 20,
        "fates": {
            fate.value: sum(totals.counts[fate] for totals in done.totals.values())
            for fate in next(iter(done.totals.values())).counts
        },
        "balanced": done.is_balanced,
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
