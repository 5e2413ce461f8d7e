"""What the commands ask: Kafka, Postgres, the stream, and Dagster's API, as the settings describe them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestration.settings import Settings, load_settings

if TYPE_CHECKING:
    from orchestration.cli.dagster_api import DagsterApi
    from orchestration.resources.kafka import KafkaResource
    from orchestration.resources.postgres import PostgresResource
    from orchestration.streaming_job import StreamingJob


@dataclass(frozen=True)
class Servers:
    """The clients; none of them has connected yet."""

    settings: Settings
    kafka: KafkaResource
    postgres: PostgresResource
    stream: StreamingJob
    dagster: DagsterApi


def connect() -> Servers:
    """The servers of these settings.

    Raises:
        ConfigurationError: a setting is missing or malformed.
    """
    settings = load_settings()

    from orchestration.cli.dagster_api import DagsterApi
    from orchestration.defs.resources import resources

    found = resources(settings)
    return Servers(settings, found["kafka"], found["postgres"], found["stream"], DagsterApi(settings.dagster_url))
