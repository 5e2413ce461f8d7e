"""Existing clusters as their owners secure them: Kafka, PostgreSQL and Flink of their own, reached over TLS alone."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import yaml
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from infra.local import flink, java, kafka
from infra.local.paths import StackPaths
from infra.local.ports import any_free_ports
from infra.local.secrets import ROLES, ensure_passwords, write_private
from infra.local.stack import bring_jars
from infra.local.supervisor import Supervisor, end_orphans
from orchestration.defs.resources import resources
from orchestration.errors import Pi3Error
from orchestration.settings import Settings, child_environment, read_settings
from tests.acceptance.pipeline import wait_until
from tests.remote.authority import HOST, STORE_PASSWORD, Authority
from tests.remote.kafka import ADMIN, DAGSTER, FLINK, PRODUCER, SecuredBroker
from tests.remote.postgres import SecuredPostgres
from tests.remote.token_proxy import TokenProxy

TASKMANAGERS: Final = 2
SLOTS: Final = 3  # the four subtasks need both
PATH: Final = "/gateway"
READY_S: Final = 120.0
EVENTS: Final = 2_000
# By the settings that read them, as files of these names.
SECRETS: Final = {DAGSTER: "kafka_password", PRODUCER: "producer_kafka_password", FLINK: "flink_kafka_password"}


class Site:
    """The servers, and the settings of whoever operates the pipeline on them."""

    def __init__(self, root: Path) -> None:
        shutil.rmtree(root, ignore_errors=True)
        self.paths = StackPaths(root)
        self.ports = any_free_ports()
        self.paths.make()
        ensure_passwords(self.paths.secrets)
        self.passwords = {name: secrets.token_urlsafe(24) for name in (ADMIN, *SECRETS)}
        self.token = secrets.token_urlsafe(24)
        self.authority = Authority(root / "tls")
        self.broker = SecuredBroker(self.paths, self.ports, self.authority, self.passwords)
        self.postgres = SecuredPostgres(self.paths, self.ports, self.authority)
        self.supervisor = Supervisor(self.paths)
        contexts = (self.authority.server(), self.authority.client())
        self.proxy = TokenProxy((HOST, self.ports.flink_rest), PATH, self.token, contexts)

    @property
    def settings(self) -> Settings:
        """As `stack.env` and the files of secrets say."""
        return read_settings(self.paths.root, None)

    def start(self) -> None:
        """Bring the servers up, and what their owners give us: roles and a database, principals, a topic, ACLs."""
        connectors = bring_jars(self.paths, print)
        self._write_settings()
        self.broker.prepare()
        self.postgres.prepare()
        self._prepare_flink(connectors)
        jobmanager, taskmanager = flink.programs(self.paths)
        others = [replace(taskmanager, name=f"{taskmanager.name}-{n}") for n in range(2, TASKMANAGERS + 1)]
        programs = [kafka.program(self.paths), self.postgres.program(), jobmanager, taskmanager, *others]
        self.supervisor.start(programs, child_environment())
        wait_until(self._broker_answers, "the broker", READY_S)
        settings = self.settings
        self.postgres.bootstrap(
            settings.postgres_database, {role: getattr(settings, f"postgres_{role}") for role in ROLES}
        )
        self.broker.provision(settings.kafka_topic, settings.kafka_partitions, settings.kafka_consumer_group)
        wait_until(self._slots_are_there, "the TaskManagers", READY_S)

    def stop(self) -> None:
        """End every server."""
        if self.supervisor.is_running():
            self.supervisor.stop()
        end_orphans(self.paths.root)
        self.proxy.close()

    def _prepare_flink(self, connectors: list[Path]) -> None:
        flink.prepare(self.paths, self.ports, connectors)
        config = flink.config(self.paths, self.ports) | {
            "taskmanager.numberOfTaskSlots": SLOTS,
            "taskmanager.cpu.cores": float(SLOTS),
            "security.ssl.rest.enabled": True,
            "security.ssl.rest.keystore": str(self.authority.server_store()),
            "security.ssl.rest.keystore-type": "PKCS12",
            "security.ssl.rest.keystore-password": STORE_PASSWORD,
            "security.ssl.rest.key-password": STORE_PASSWORD,
        }
        (self.paths.conf / "flink" / "config.yaml").write_text(yaml.safe_dump(config))

    def _write_settings(self) -> None:
        """What docs/remote.md tells to write."""
        ca = str(self.authority.file)
        values = {
            "KAFKA_BOOTSTRAP_SERVERS": self.broker.address,
            "KAFKA_OPTIONS": json.dumps(self.broker.options(DAGSTER)),
            "PRODUCER_KAFKA_OPTIONS": json.dumps({"sasl.username": PRODUCER}),
            "FLINK_KAFKA_OPTIONS": json.dumps({"sasl.username": FLINK}),
            "POSTGRES_HOST": HOST,
            "POSTGRES_PORT": self.ports.postgres,
            "POSTGRES_OPTIONS": json.dumps({"sslmode": "verify-full", "sslrootcert": ca}),
            "FLINK_REST_URL": f"https://{HOST}:{self.proxy.port}{PATH}",
            "FLINK_REST_CA_FILE": ca,
            "FLINK_LIB_DIR": self.paths.lib / "flink",
            "FLINK_STATE_URI": f"file://{self.paths.flink_state}",
            "JAVA_HOME": java.java_home(),
            "PRODUCER_COUNT": EVENTS,
            "PRODUCER_RATE_PER_S": 1_000,
        }
        self.paths.environment_file.write_text("".join(f"PI3_{name}='{value}'\n" for name, value in values.items()))
        for principal, setting in SECRETS.items():
            write_private(self.paths.secrets / f"pi3_{setting}", self.passwords[principal])
        write_private(self.paths.secrets / "pi3_flink_rest_token", self.token)

    def _broker_answers(self) -> bool:
        try:
            return bool(AdminClient(self.broker.client(ADMIN)).list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    def _slots_are_there(self) -> bool:
        try:
            overview = resources(self.settings)["flink"].client.overview()
        except Pi3Error:
            return False
        return bool(overview.slots_total == TASKMANAGERS * SLOTS)


@contextmanager
def open_site(root: Path) -> Iterator[Site]:
    """A site in an empty folder, ended with the block."""
    site = Site(root)
    try:
        site.start()
        yield site
    finally:
        site.stop()


Say = Callable[[str], None]
