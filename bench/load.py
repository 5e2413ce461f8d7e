"""Fills a topic with generated events of one size before a run, and says how many rows they must become."""

from __future__ import annotations

import itertools
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from confluent_kafka import Producer

from bench.own_stack import Site
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.topics import TopicSpec
from producer.record import Kind, Record
from producer.stream import EventStream, Shares

__all__ = ["Goal", "Load", "delete_topic", "fill", "records", "steady"]

DAY_MS: Final = 24 * 3_600_000
FLUSH_S: Final = 300
# From here on, a generated event lists who shares the bill, which is a third of its bytes.
SPLIT: Final = b',"participants":'
KEPT: Final = re.compile(rb'^\{("event_id":"[^"]*").*?("user_name":"[^"]*","location":"[^"]*")')
PAD: Final = b',"padding":"'
# A malformed value of a megabyte would measure the network.
LARGEST_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Load:
    """What a topic holds. `size_bytes` None: generated events up to the participants, about 460 bytes.

    `malformed` and `duplicate` are shares of the records, 0 to 1.
    """

    events: int
    partitions: int = 4
    size_bytes: int | None = None
    malformed: float = 0.0
    duplicate: float = 0.0


class Goal(NamedTuple):
    """Of `events` records `valid` are valid events, of which `rows` are distinct, which makes so many rows."""

    events: int
    valid: int
    rows: int


def fill(site: Site, topic: str, load: Load) -> Goal:
    """Create the topic and send the load."""
    site.kafka.ensure_topic(TopicSpec(topic, load.partitions, 1, DAY_MS))
    client = Producer(
        {
            "bootstrap.servers": site.settings.kafka_bootstrap_servers,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "linger.ms": 50,
            "acks": "all",
        }
    )
    kinds: Counter[Kind] = Counter()
    for record in records(load):
        kinds[record.kind] += 1
        while True:
            try:
                client.produce(topic, record.value, record.key)
                break
            except BufferError:
                client.poll(0.1)
    if left := client.flush(FLUSH_S):
        raise TimeoutError(f"{left} events were not acknowledged within {FLUSH_S} s")
    rows = kinds[Kind.PLAIN]
    return Goal(load.events, rows + kinds[Kind.DUPLICATE], rows)


def records(load: Load) -> Iterator[Record]:
    """The load's records; the kept fields of an event do not depend on its size."""
    shares = Shares(malformed=load.malformed, duplicate=load.duplicate)
    stream = EventStream(load.events, shares, lambda: time.time_ns() // 1_000_000)
    for record in itertools.islice(stream, load.events):
        value = record.value
        if record.kind is Kind.MALFORMED:
            yield record if len(value or b"") <= LARGEST_BYTES else record._replace(value=b"{bad")
        else:
            yield record._replace(value=sized(value or b"", load.size_bytes))


def sized(value: bytes, size_bytes: int | None) -> bytes:
    """The event without what follows the kept fields or the merchant, padded to `size_bytes` if that is more."""
    whole = value.partition(SPLIT)[0]
    if size_bytes is None:
        return whole + b"}"
    kept = KEPT.match(value)
    if size_bytes < len(whole) + len(PAD) + 2 and kept:
        whole = b"{" + kept[1] + b"," + kept[2]
    padding = size_bytes - len(whole) - len(PAD) - 2
    return whole + PAD + b"x" * max(0, padding) + b'"}'


def steady(site: Site, topic: str, rate_per_s: int, count: int = 0) -> tuple[str, ...]:
    """The command of our producer: events a second, 0 as fast as it can; `count` 0 goes on until it is ended."""
    options = {
        "--bootstrap-servers": site.settings.kafka_bootstrap_servers,
        "--topic": topic,
        "--rate": str(rate_per_s),
        "--count": str(count),
    }
    return (sys.executable, "-m", "producer", *(word for option in options.items() for word in option))


def delete_topic(kafka: KafkaResource, topic: str) -> None:
    """Delete the topic and its records."""
    admin = kafka.admin()
    for future in admin.delete_topics([topic]).values():
        future.result()
