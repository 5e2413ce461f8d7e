"""A topic and a schema of a benchmark's own, on the servers of the settings, with generated events."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import Producer

from bench.load import delete_topic
from contract.event import Reason
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import Login, PostgresResource
from orchestration.resources.topics import TopicSpec
from orchestration.settings import Settings
from producer.faults import FAULTS
from producer.generator import EventGenerator

__all__ = ["AT_MS", "events", "execute", "send", "site"]

# Of today, else retention would delete the records while they are measured.
AT_MS = time.time_ns() // 1_000_000
# A megabyte each would measure the network.
USABLE_FAULTS = [fault for fault in FAULTS if fault.reason is not Reason.OVERSIZE]


@contextmanager
def site(settings: Settings, kafka: KafkaResource, partitions: int) -> Iterator[tuple[str, PostgresResource]]:
    """Topic and database schema, of the same name and migrated; both are removed at the end."""
    name = f"bench_{secrets.token_hex(4)}"
    logins = [
        Login(getattr(settings, f"postgres_{role}"), getattr(settings, f"postgres_{role}_password"))
        for role in ("owner", "writer", "reader", "auditor")
    ]
    owner, writer, reader, auditor = logins
    host, port, database = settings.postgres_host, settings.postgres_port, settings.postgres_database
    postgres = PostgresResource(host, port, database, owner, writer, reader, auditor, name)
    execute(postgres, f"CREATE SCHEMA {name}")
    try:
        postgres.migrate()
        kafka.ensure_topic(TopicSpec(name, partitions, 1, 24 * 3_600_000))
        yield name, postgres
    finally:
        execute(postgres, f"DROP SCHEMA {name} CASCADE")
        delete_topic(kafka, name)


def execute(postgres: PostgresResource, statement: str) -> None:
    """Run one statement as the schema's owner."""
    with postgres.connect("owner") as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)


def events(count: int, malformed_share: float = 0.0) -> Iterator[bytes | None]:
    """Values of the producer's generator, every so many damaged in one of the producer's ways."""
    generator = EventGenerator(secrets.randbits(32))
    period = round(1 / malformed_share) if malformed_share else count + 1
    for number in range(count):
        value = generator.event(number, AT_MS + number).value
        bad = number % period == period - 1
        yield USABLE_FAULTS[number // period % len(USABLE_FAULTS)].damage(value) if bad else value


def send(bootstrap_servers: str, topic: str, partitions: int, values: Iterator[bytes | None]) -> None:
    """Send the values in turn to each partition, so that value n has offset n // partitions of n % partitions."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "compression.type": "lz4",
            "linger.ms": 50,
            "message.max.bytes": 2_000_000,
        }
    )
    for number, value in enumerate(values):
        while True:
            try:
                producer.produce(topic, value, b"k", number % partitions, timestamp=AT_MS)
                break
            except BufferError:
                producer.poll(0.1)
    left = producer.flush(60)
    if left:
        raise TimeoutError(f"{left} events were not acknowledged within 60 s")
