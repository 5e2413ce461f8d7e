"""Kafka by certificates instead of passwords: our own client, and the job's."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from infra.local.secrets import write_private
from orchestration.client_options import flink_options
from orchestration.defs.resources import resources
from orchestration.errors import TransientError
from orchestration.flink.client import FlinkClient
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.streaming_job import job_spec
from tests.acceptance.pipeline import wait_until
from tests.fixtures.flink_job import start
from tests.fixtures.remote import Launched
from tests.remote.kafka import DAGSTER, FLINK
from tests.remote.site import Site

RECORDS = 50
SCHEMA = "by_certificate"


def by_certificate(site: Site, principal: str) -> dict[str, SecretStr]:
    """librdkafka's options."""
    mine = str(site.authority.person(principal))
    options = {
        "security.protocol": "SSL",
        "ssl.ca.location": str(site.authority.file),
        "ssl.certificate.location": mine,
        "ssl.key.location": mine,
    }
    return {name: SecretStr(value) for name, value in options.items()}


def test_our_client_is_let_in_by_its_certificate_and_not_without(site: Site) -> None:
    topic, options = site.settings.kafka_topic, by_certificate(site, DAGSTER)
    kafka = KafkaResource(site.broker.mutual_address, timeout_s=10, options=options)
    assert len(kafka.offsets(topic)) == site.settings.kafka_partitions
    without = {name: options[name] for name in ("security.protocol", "ssl.ca.location")}
    with pytest.raises(TransientError, match="pi3 preflight"):
        KafkaResource(site.broker.mutual_address, options=without).offsets(topic)


@pytest.fixture
def table(launched: Launched) -> PostgresResource:
    """A table `events` in a schema of its own, which asks for no writer lease."""
    found: PostgresResource = replace(resources(launched.site.settings)["postgres"], schema=SCHEMA)
    with found.connect("owner") as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {SCHEMA}")
    found.migrate()
    return found


def test_the_job_is_let_in_by_its_certificate(launched: Launched, table: PostgresResource, tmp_path: Path) -> None:
    site = launched.site
    changed = site.settings.model_copy(
        update={"kafka_options": by_certificate(site, FLINK), "kafka_password": SecretStr(""),
                "flink_kafka_options": {}, "flink_kafka_password": SecretStr("")}
    )  # fmt: skip
    write_private(tmp_path / "options", json.dumps(flink_options(changed)))
    spec = replace(
        job_spec(site.settings),
        job_name=SCHEMA,
        job_id=secrets.token_hex(16),
        bootstrap_servers=site.broker.mutual_address,
        options_file=str(tmp_path / "options"),
        table=f"{SCHEMA}.events",
        parallelism=1,
        start_offsets={0: 0},
        end_offsets={0: RECORDS},
    )
    start(spec, tmp_path / "job.json")
    flink: FlinkClient = resources(site.settings)["flink"].client
    wait_until(lambda: flink.job(spec.job_id or "").ended, "the job's end")
    assert flink.job(spec.job_id or "").state == "FINISHED"
    assert 0 < table.total_rows() <= RECORDS
