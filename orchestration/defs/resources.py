"""Resources, built from the settings; passwords never become part of a resource's configuration."""

from __future__ import annotations

from typing import Any

from orchestration.flink.client import Access
from orchestration.flink.operated import OperatedFlinkResource
from orchestration.flink.resource import FlinkResource
from orchestration.resources.brokers import Brokers
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import Login, PostgresResource
from orchestration.resources.producer import ProducerResource
from orchestration.resources.producer_processes import ProducerProcesses
from orchestration.settings import REPOSITORY, Settings, container_site
from orchestration.streaming_job import StreamingJob


def resources(settings: Settings) -> dict[str, Any]:
    """The resources by the names under which ops, checks and sensors ask for them."""
    brokers = Brokers.of(settings)
    found: dict[str, Any] = {
        "kafka": KafkaResource(brokers.bootstrap_servers, options=brokers.options),
        "postgres": PostgresResource(
            host=settings.postgres_host,
            port=settings.postgres_port,
            database=settings.postgres_database,
            owner=Login(settings.postgres_owner, settings.postgres_owner_password),
            writer=Login(settings.postgres_writer, settings.postgres_writer_password),
            reader=Login(settings.postgres_reader, settings.postgres_reader_password),
            auditor=Login(settings.postgres_auditor, settings.postgres_auditor_password),
            options=settings.postgres_options,
        ),
        "flink": _flink(settings),
        "producer": _producer(settings),
    }
    return {**found, "stream": StreamingJob(settings, found["flink"], found["kafka"], found["postgres"])}


def _flink(settings: Settings) -> FlinkResource:
    common: dict[str, Any] = {
        "rest_url": settings.flink_rest_url,
        "page_url": settings.flink_ui_url,
        "state_uri": settings.flink_state_uri,
        "s3_endpoint_url": settings.s3_endpoint_url,
        "access": Access(settings.flink_rest_ca_file, settings.flink_rest_token),
    }
    if settings.flink_backend == "session":
        return FlinkResource(**common)
    return OperatedFlinkResource(
        **common,
        kubernetes_url=settings.kubernetes_url,
        namespace=settings.kubernetes_namespace,
        deployment=settings.flink_job_name,
        account_dir=settings.kubernetes_account_dir,
    )


def _producer(settings: Settings) -> ProducerResource:
    brokers = Brokers.of_producers(settings)
    into: dict[str, Any] = {
        "run_dir": str(settings.run_dir),
        "bootstrap_servers": brokers.bootstrap_servers,
        "topic": settings.kafka_topic,
        "options": brokers.options,
    }
    if settings.backend == "processes":
        return ProducerProcesses(**into, working_dir=str(REPOSITORY))
    from orchestration.resources.producer_containers import ProducerContainers

    site = container_site(settings)
    return ProducerContainers(**into, prefix=site.name("producer-"), image=site.image, container=site.producer())
