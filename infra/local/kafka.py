"""A Kafka broker: KRaft, one node, broker and controller in one process."""

from __future__ import annotations

import json
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping

from infra.local.errors import SetupError, in_one_line
from infra.local.java import SMALL, java, shared_classes
from infra.local.paths import StackPaths
from infra.local.ports import LOOPBACK, Listener, Ports
from infra.local.program import Program

LOG4J = """\
Configuration:
  Appenders:
    Console: {name: STDOUT, PatternLayout: {pattern: "%d{ISO8601} %-5p %m (%c{1})%n"}}
  Loggers:
    Root: {level: WARN, AppenderRef: [{ref: STDOUT}]}
    Logger: [{name: kafka.server.KafkaRaftServer, level: INFO}]
"""


def server_properties(paths: StackPaths, ports: Ports, extra: Mapping[str, Listener] | None = None) -> str:
    """The broker's configuration; one replica, so the internal topics have one too.

    A client goes on with the address that the listener it came in by advertises: `extra` are listeners, by name
    (capital letters), for clients that see the broker under another address; one named PLAINTEXT replaces our own.
    """
    listeners = {"PLAINTEXT": Listener(ports.kafka, ports.kafka), **(extra or {})}
    bound = [f"{name}://{at.host}:{at.port}" for name, at in listeners.items()]
    advertised = [f"{name}://{at.advertised_host}:{at.advertised_port}" for name, at in listeners.items()]
    properties = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{LOOPBACK}:{ports.kafka_controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join([*bound, f"CONTROLLER://{LOOPBACK}:{ports.kafka_controller}"]),
        "advertised.listeners": ",".join(advertised),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in [*listeners, "CONTROLLER"]),
        # Java reads this file as Latin-1, and the escapes of JSON: a letter beyond ASCII would name another folder.
        "log.dirs": json.dumps(str(paths.data / "kafka")).strip('"'),
        # A reader that could create topics would bring a deleted one back, empty and with other settings.
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        # After a kill -9 the controller waits for so long before it takes the broker for a new one; 9 s by default.
        "broker.session.timeout.ms": 3_000,
        "broker.heartbeat.interval.ms": 1_000,
    }
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def prepare(paths: StackPaths, ports: Ports, listeners: Mapping[str, Listener] | None = None) -> None:
    """Write the configuration and format the log folder once.

    Raises:
        SetupError: the folder cannot be formatted.
    """
    properties = paths.conf / "kafka.properties"
    properties.write_text(server_properties(paths, ports, listeners))
    (paths.conf / "kafka-log4j2.yaml").write_text(LOG4J)
    if (paths.data / "kafka" / "meta.properties").exists():
        return
    # Base64 in Kafka's alphabet may begin with a dash, which no command line takes for a value: clear the first bit.
    random = uuid.uuid4().bytes
    cluster_id = urlsafe_b64encode(bytes([random[0] & 0x7F]) + random[1:]).decode().rstrip("=")
    command = (*java(paths, "kafka"), "kafka.tools.StorageTool", "format", "--ignore-formatted",
               "-t", cluster_id, "-c", str(properties))  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SetupError(f"cannot format {paths.data / 'kafka'} for Kafka: {in_one_line(done.stderr or done.stdout)}")


def program(paths: StackPaths) -> Program:
    """The broker; it stops in an orderly way on TERM."""
    options = (
        *shared_classes(paths, "kafka"),
        "-Xmx512m",
        "-Xms128m",
        *SMALL,
        f"-Dlog4j2.configurationFile={paths.conf / 'kafka-log4j2.yaml'}",
    )
    command = (*java(paths, "kafka", *options), "kafka.Kafka", str(paths.conf / "kafka.properties"))
    return Program("kafka", command, priority=10, stop_wait_s=30)
