"""Debezium's JDBC sink on a Kafka Connect worker that goes on from run to run, a connector of its own each run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from bench.contestants.connect import Worker
from bench.contestants.contestant import Contestant, Race
from bench.processes import Program, cpu_s
from bench.table import PLAIN
from orchestration.settings import Settings

__all__ = ["DEBEZIUM"]

FIELDS: Final = ("event_id", "user_name", "location")
# Reads schemaless JSON, and drops all but these fields.
SCHEMA: Final = {"type": "struct", "fields": [{"field": f, "type": "string", "optional": False} for f in FIELDS]}


@contextmanager
def _start(race: Race) -> Iterator[list[Program]]:
    worker: Worker = race.kept.get("connect") or _worker(race)
    worker.used_s = cpu_s({"connect": worker.process})["connect"]
    worker.begin(race.run, _config(race.site.settings, race.topic))
    try:
        yield [worker]
    finally:
        worker.end()


def _worker(race: Race) -> Worker:
    worker = Worker(race.site)
    race.keep.callback(worker.stop)
    worker.wait_until_ready()
    race.kept["connect"] = worker
    return worker


def _config(settings: Settings, topic: str) -> dict[str, str]:
    address = f"{settings.postgres_host}:{settings.postgres_port}/{settings.postgres_database}"
    return {
        "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
        "tasks.max": "2",
        "topics": topic,
        "connection.url": f"jdbc:postgresql://{address}",
        "connection.username": settings.postgres_owner,
        "connection.password": settings.postgres_owner_password.get_secret_value(),
        "collection.name.format": PLAIN,
        "insert.mode": "upsert",
        "primary.key.mode": "record_value",
        "primary.key.fields": "event_id",
        "batch.size": "5000",
        "schema.evolution": "none",
        "dialect.postgres.unnest.insert.enabled": "true",
        "use.reduction.buffer": "true",
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "true",
        "value.converter.schema.content": json.dumps(SCHEMA),
    }


DEBEZIUM = Contestant("debezium", _start, PLAIN, warms_up=True)
