"""Rate of the deep audit, and what each of its steps costs: `python -m bench.deep_audit --events 1000000`.

Fills a topic and a schema of its own on the servers of the settings (PI3_STACK_DIR), audits them, prints one JSON line
a measurement and removes both. Rows land by COPY, so Flink is not needed. CPU is that of this process with its threads;
Postgres and the broker use more of their own.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from itertools import islice

from confluent_kafka import Message

from bench.site import AT_MS, events, send, site
from contract.event import EventRow
from orchestration.ledger.content import differing, judge
from orchestration.ledger.deep_audit import audited_ranges, run_deep_audit
from orchestration.ledger.deep_records import BulkReader
from orchestration.ledger.deep_store import row_stream
from orchestration.ledger.validator import validate
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.resources.topics import OffsetRange
from orchestration.settings import load_settings

COLUMNS = "event_id, user_name, location, kafka_partition, kafka_offset, produced_at"


def main() -> None:
    """Fill, measure, remove."""
    arguments = _arguments()
    settings = load_settings()
    kafka = KafkaResource(bootstrap_servers=settings.kafka_bootstrap_servers)
    with site(settings, kafka, arguments.partitions) as (topic, postgres):
        values = list(events(arguments.events, arguments.malformed_share))
        send(kafka.bootstrap_servers, topic, arguments.partitions, iter(values))
        _land(postgres, values, arguments.partitions)
        del values
        spans = kafka.offsets(topic)
        for step, measure in _steps(kafka, postgres, topic, spans).items():
            _report(step, measure)
        for _ in range(arguments.rounds):
            _report("audit", lambda: _audit(kafka, postgres, topic, spans))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.deep_audit", description="Measure the deep audit.")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--malformed-share", type=float, default=0.0)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def _land(postgres: PostgresResource, values: Iterable[bytes | None], partitions: int) -> None:
    """Rows as the job would have made them."""
    instant = datetime.fromtimestamp(AT_MS / 1000, tz=timezone.utc).isoformat()
    rows = io.StringIO()
    for number, value in enumerate(values):
        verdict = validate(value)
        if isinstance(verdict, EventRow):
            kept = (verdict.event_id, verdict.user_name, verdict.location)
            rows.write("\t".join((*kept, str(number % partitions), str(number // partitions), instant)) + "\n")
    rows.seek(0)
    with postgres.connect("owner") as connection, connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.copy_expert(f"COPY events ({COLUMNS}) FROM STDIN", rows)


def _steps(
    kafka: KafkaResource, postgres: PostgresResource, topic: str, spans: dict[int, OffsetRange]
) -> dict[str, Callable[[], int]]:
    """Each step by itself; each gives the number of records or rows that it went through."""
    sample = _sample(kafka, topic, spans[0])
    judged = judge(0, sample)
    rows = list(judged.rows.values())

    def read() -> int:
        with BulkReader(kafka.brokers, topic) as reader:
            return sum(len(batch.records) for n, span in spans.items() for batch in reader.batches(n, span))

    def fetch() -> int:
        with row_stream(postgres, spans) as stream:
            return sum(len(stream.up_to(n, end)) for n, span in spans.items() for end in range(0, span.end + 1, 10_000))

    return {
        "read": read,
        "validate": lambda: len(judge(0, sample).rows),
        "rows": fetch,
        "compare": lambda: len(differing(judged, rows)[0]) + len(rows),
    }


def _sample(kafka: KafkaResource, topic: str, span: OffsetRange) -> list[Message]:
    with BulkReader(kafka.brokers, topic) as reader:
        messages = (message for batch in reader.batches(0, span) for message in batch.records)
        return list(islice(messages, 100_000))


def _audit(kafka: KafkaResource, postgres: PostgresResource, topic: str, spans: dict[int, OffsetRange]) -> int:
    ends = {partition: span.end for partition, span in spans.items()}
    report = run_deep_audit(kafka, postgres, topic, audited_ranges(spans, ends))
    if not report.is_clean or report.gone:
        sys.exit(f"the audit found {dict(report.counts)}, {report.gone} gone: the measurement is void")
    _say("audit steps", {f"{step}_us": round(s * 1e6 / report.records, 2) for step, s in report.seconds.items()})
    return report.records


def _report(step: str, measure: Callable[[], int]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    count = measure()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    measured = {"records": count, "wall_us": wall / count * 1e6, "cpu_us": cpu / count * 1e6, "peak_mb": peak_mb}
    _say(step, {name: round(value, 2) for name, value in measured.items()} | {"per_core_per_s": round(count / cpu)})


def _say(step: str, measured: dict[str, float]) -> None:
    sys.stdout.write(json.dumps({"step": step, **measured}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
