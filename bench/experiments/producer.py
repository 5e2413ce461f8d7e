"""How fast events are made and sent, beside Kafka's own performance test."""

from __future__ import annotations

import itertools
import json
import re
import secrets
import time
from typing import Any, Final

from bench import jars
from bench.load import DAY_MS, delete_topic, steady
from bench.own_stack import Site
from bench.processes import Program
from infra.local import java
from orchestration.resources.topics import TopicSpec
from producer.stream import EventStream, Shares

__all__ = ["measure", "records_per_s"]

PARTITIONS: Final = 4
PAYLOADS: Final = 10_000
TIMEOUT_S: Final = 600.0
PERFORMANCE_TEST: Final = "org.apache.kafka.tools.ProducerPerformance"
REPORTED: Final = re.compile(r"^(\d+) records sent, ([\d.]+) records/sec", re.MULTILINE)


def measure(site: Site, events: int, runs: int) -> dict[str, Any]:
    """Plain values: events/s of the generator alone, the producer, and Kafka's test."""
    jars.link(site.stack.paths, jars.CONNECT)
    results = []
    for number in range(1, runs + 1):
        for name, act in (("generator", _generate), ("producer", _produce), ("kafka-producer-perf-test", _perf_test)):
            topic = f"producer-{secrets.token_hex(3)}"
            site.kafka.ensure_topic(TopicSpec(topic, PARTITIONS, 1, DAY_MS))
            rate = act(site, topic, events)
            delete_topic(site.kafka, topic)
            site.say(f"{name}, run {number}: {rate:,.0f} events/s")
            results.append({"contestant": name, "run": number, "rate": rate})
    return {"events": events, "results": results}


def _stream() -> EventStream:
    return EventStream(1, Shares(), lambda: time.time_ns() // 1_000_000)


def _generate(_site: Site, _topic: str, events: int) -> float:
    began = time.perf_counter()
    for _ in itertools.islice(_stream(), events):
        pass
    return events / (time.perf_counter() - began)


def _produce(site: Site, topic: str, events: int) -> float:
    report = json.loads(_output(site, "producer", steady(site, topic, 0, events)).strip().splitlines()[-1])
    return float(report["rate_per_s"])


def _perf_test(site: Site, topic: str, events: int) -> float:
    """As the producer: idempotent, all replicas, lz4, 10 ms, the batch size of librdkafka; and generated events, since
    the random bytes that it makes of itself would compress less."""
    payloads = site.stack.paths.run / "payloads"
    payloads.write_bytes(b"\n".join(record.value or b"" for record in itertools.islice(_stream(), PAYLOADS)))
    properties = {
        "bootstrap.servers": site.settings.kafka_bootstrap_servers,
        "acks": "all",
        "enable.idempotence": "true",
        "compression.type": "lz4",
        "linger.ms": "10",
        "batch.size": "1000000",
        "buffer.memory": "67108864",
    }
    command = (
        *java.java(site.stack.paths, jars.CONNECT, "-Xmx512m"), PERFORMANCE_TEST, "--topic", topic,
        "--num-records", str(events), "--payload-file", str(payloads), "--throughput", "-1",
        "--producer-props", *(f"{name}={value}" for name, value in properties.items()),
    )  # fmt: skip
    return records_per_s(_output(site, "perf-test", command))


def records_per_s(output: str) -> float:
    """The rate of the last line that tells one, which is that of the whole run. Raises: ValueError."""
    found = REPORTED.findall(output)
    if not found:
        raise ValueError(f"the performance test told no rate: {output.strip()[-200:]}")
    return float(found[-1][1])


def _output(site: Site, name: str, command: tuple[str, ...]) -> str:
    program = Program(name, command, site.folder / f"{name}.log")
    try:
        return program.wait(TIMEOUT_S)
    finally:
        program.stop()
