"""Gather the facts: every server at once, each within a limit, none of them able to hide the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from orchestration.errors import Pi3Error
from orchestration.flink.resource import FlinkResource
from orchestration.health.facts import Desired, StreamFacts, Unreachable
from orchestration.health.read_flink import read_flink
from orchestration.health.read_kafka import read_kafka
from orchestration.health.read_postgres import read_desired, read_postgres
from orchestration.health.track import Track
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import Settings

# Of one call; a busy server may need some seconds, one that is stopped or cut off would let the caller wait for ever.
FLINK_S: Final = 3.0
KAFKA_S: Final = 5.0
POSTGRES_S: Final = 5
DEADLINE_S: Final = 9.0


@dataclass(frozen=True)
class Servers:
    """The resources that are asked."""

    flink: FlinkResource
    kafka: KafkaResource
    postgres: PostgresResource


def gather(settings: Settings, servers: Servers, track: Track | None) -> StreamFacts:
    """One snapshot, within `DEADLINE_S` whatever the servers do; `track` is that of the snapshot before."""
    name, topic = settings.flink_job_name, settings.kafka_topic
    client = replace(servers.flink, timeout_s=FLINK_S).client
    kafka = replace(servers.kafka, timeout_s=KAFKA_S)
    postgres = replace(servers.postgres, connect_timeout_s=POSTGRES_S, statement_timeout_s=POSTGRES_S)
    ends = track.ends if track else {}
    found = within(
        {
            "Flink": lambda: read_flink(client, name),
            "Kafka": lambda: read_kafka(kafka, topic, settings.kafka_consumer_group, ends),
            "Postgres": lambda: read_postgres(postgres, topic, name),
            "the job's record": lambda: read_desired(postgres, name),
        },
        DEADLINE_S,
    )
    desired = found["the job's record"]
    return StreamFacts(
        time.time(),
        found["Flink"],
        found["Kafka"],
        found["Postgres"],
        desired if isinstance(desired, Desired) else None,
    )


def within(reads: Mapping[str, Callable[[], Any]], deadline_s: float) -> dict[str, Any]:
    """What each read returns, or Unreachable if it raises, or is not done in time.

    A read that hangs is left to itself, in a thread that keeps nobody from ending.
    """
    found: dict[str, Any] = {name: Unreachable(f"{name} gave no answer within {deadline_s:g} s") for name in reads}

    def run(name: str, read: Callable[[], Any]) -> None:
        try:
            found[name] = read()
        except Pi3Error as error:
            found[name] = Unreachable(str(error))
        except Exception as error:  # whatever it is, the other servers must still be heard
            found[name] = Unreachable(f"{name} gave an answer that was not understood: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=run, args=item, daemon=True) for item in reads.items()]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, started + deadline_s - time.monotonic()))
    return dict(found)
