"""A broker that lets in by SASL_SSL with SCRAM, or by certificate, and whom it knows only to what an ACL allows."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka.admin import (  # type: ignore[attr-defined] # it re-exports without types
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from infra.local import kafka
from infra.local.java import java
from infra.local.paths import StackPaths
from infra.local.ports import LOOPBACK, Ports, any_free_port
from tests.remote.authority import HOST, Authority

ADMIN: Final = "admin"
DAGSTER, PRODUCER, FLINK = "pi3-dagster", "pi3-producer", "pi3-flink"
MECHANISM: Final = "SCRAM-SHA-512"
LOGIN_MODULE: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"
TIMEOUT_S: Final = 20.0


@dataclass(frozen=True)
class Allowed:
    """One ACL."""

    principal: str
    kind: ResourceType
    name: str
    operation: AclOperation
    pattern: ResourcePatternType = ResourcePatternType.LITERAL


def least(topic: str, group: str) -> list[Allowed]:
    """What the three principals need, and nothing else; docs/remote.md has the same list."""
    topics, groups = ResourceType.TOPIC, ResourceType.GROUP
    return [
        Allowed(DAGSTER, topics, topic, AclOperation.READ),
        Allowed(DAGSTER, topics, topic, AclOperation.DESCRIBE_CONFIGS),
        Allowed(DAGSTER, groups, group, AclOperation.DESCRIBE),
        # Of the readers, which name a group as the client demands, and never join it.
        Allowed(DAGSTER, groups, "pi3-", AclOperation.DESCRIBE, ResourcePatternType.PREFIXED),
        Allowed(PRODUCER, topics, topic, AclOperation.WRITE),
        Allowed(FLINK, topics, topic, AclOperation.READ),
        Allowed(FLINK, groups, group, AclOperation.READ),
    ]


class SecuredBroker:
    """`passwords` are by principal."""

    def __init__(self, paths: StackPaths, ports: Ports, authority: Authority, passwords: dict[str, str]) -> None:
        self._paths = paths
        self._ports = ports
        self._authority = authority
        self._passwords = passwords
        self._mutual_port = any_free_port()
        self.address = f"{HOST}:{ports.kafka}"
        self.mutual_address = f"{HOST}:{self._mutual_port}"

    def prepare(self) -> None:
        """Write the configuration, and format the log folder with the admin's credentials in it."""
        properties = self._paths.conf / "kafka.properties"
        properties.write_text(self._properties())
        (self._paths.conf / "kafka-log4j2.yaml").write_text(kafka.LOG4J)
        scram = f"{MECHANISM}=[name={ADMIN},password={self._passwords[ADMIN]}]"
        command = (*java(self._paths, "kafka"), "kafka.tools.StorageTool", "format",
                   "-t", "cGkzLXNlY3VyZWQtdGVzdA", "-c", str(properties), "--add-scram", scram)  # fmt: skip
        subprocess.run(command, capture_output=True, text=True, check=True)

    def _properties(self) -> str:
        """Of two lines with one name Java takes the last."""
        names = {"SECURED": self._ports.kafka, "MUTUAL": self._mutual_port}
        bound = [f"{name}://{LOOPBACK}:{port}" for name, port in names.items()]
        login = f'{LOGIN_MODULE} required username="{ADMIN}" password="{self._passwords[ADMIN]}";'
        properties = {
            "listeners": ",".join([*bound, f"CONTROLLER://{LOOPBACK}:{self._ports.kafka_controller}"]),
            "advertised.listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in names.items()),
            "listener.security.protocol.map": "SECURED:SASL_SSL,MUTUAL:SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "SECURED",
            "sasl.enabled.mechanisms": MECHANISM,
            "sasl.mechanism.inter.broker.protocol": MECHANISM,
            f"listener.name.secured.{MECHANISM.lower()}.sasl.jaas.config": login,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._authority.server_pem(),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self._authority.file,
            "listener.name.mutual.ssl.client.auth": "required",
            "listener.name.mutual.ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # The controller's listener has no login; only the broker itself uses it.
            "super.users": f"User:{ADMIN};User:ANONYMOUS",
        }
        return kafka.server_properties(self._paths, self._ports) + "".join(f"{k}={v}\n" for k, v in properties.items())

    def options(self, principal: str) -> dict[str, str]:
        """librdkafka's, without the password."""
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": MECHANISM,
            "sasl.username": principal,
            "ssl.ca.location": str(self._authority.file),
        }

    def client(self, principal: str) -> dict[str, Any]:
        """A configuration that is let in as the principal."""
        login = {**self.options(principal), "sasl.password": self._passwords[principal]}
        return {"bootstrap.servers": self.address, "log_level": 0, **login}

    def provision(self, topic: str, partitions: int, group: str) -> None:
        """The principals, the topic, and who may do what."""
        admin = AdminClient(self.client(ADMIN))
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wanted: list[Any] = [
            UserScramCredentialUpsertion(name, info, password.encode())
            for name, password in self._passwords.items()
            if name != ADMIN
        ]
        for done in admin.alter_user_scram_credentials(wanted, request_timeout=TIMEOUT_S).values():
            done.result()
        admin.create_topics([NewTopic(topic, partitions, 1)], request_timeout=TIMEOUT_S)[topic].result()
        self.allow(least(topic, group))

    def allow(self, wanted: list[Allowed]) -> None:
        """Add ACLs."""
        admin = AdminClient(self.client(ADMIN))  # kept: with the client its answers would go
        for done in admin.create_acls([_binding(acl) for acl in wanted]).values():
            done.result()


def _binding(acl: Allowed) -> AclBinding:
    return AclBinding(
        acl.kind, acl.name, acl.pattern, f"User:{acl.principal}", "*", acl.operation, AclPermissionType.ALLOW
    )
