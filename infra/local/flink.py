"""A Flink session cluster from the apache-flink package: its jars, started without its shell scripts.

The scripts split paths at spaces and fork into the background; a supervisor wants neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from infra.local.java import SMALL, java, link_jars, package_folder, shared_classes
from infra.local.paths import StackPaths
from infra.local.ports import LOOPBACK, Listener, Ports
from infra.local.program import Program

SLOTS = 8

LOG4J = """\
rootLogger.level = INFO
rootLogger.appenderRef.console.ref = Console
appender.console.name = Console
appender.console.type = CONSOLE
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %-60c %x - %m%n
# Each line of a Kafka client's configuration, per reader and restart, hides what matters.
logger.kafka.name = org.apache.flink.kafka.shaded.org.apache.kafka
logger.kafka.level = WARN
logger.pekko.name = org.apache.pekko
logger.pekko.level = WARN
"""


def config(paths: StackPaths, ports: Ports, rpc: Mapping[str, Listener] | None = None) -> dict[str, object]:
    """Cluster settings, flat keys. Flink takes a `file:` URI as it stands, so spaces stay spaces.

    `rpc`: for `jobmanager` and `taskmanager`, where the other one reaches it under another port than it listens on.

    Heartbeat and restart times are below Flink's defaults (10 s, 50 s) so that a dead TaskManager is replaced within
    seconds; a pause of its JVM longer than the timeout costs a restart of the job.
    """
    return {
        "jobmanager.rpc.address": LOOPBACK,
        "jobmanager.rpc.port": ports.flink_rpc,
        "jobmanager.bind-host": LOOPBACK,
        "jobmanager.memory.heap.size": "512m",
        "jobmanager.memory.off-heap.size": "128m",
        "jobmanager.memory.jvm-metaspace.size": "256m",
        "rest.address": LOOPBACK,
        "rest.bind-address": LOOPBACK,
        "rest.port": ports.flink_rest,
        "taskmanager.host": LOOPBACK,
        "taskmanager.bind-host": LOOPBACK,
        "taskmanager.numberOfTaskSlots": SLOTS,
        # A TaskManager that is not started by Flink's scripts wants each of these named.
        "taskmanager.cpu.cores": float(SLOTS),
        "taskmanager.memory.framework.heap.size": "128m",
        "taskmanager.memory.task.heap.size": "640m",
        "taskmanager.memory.task.off-heap.size": "0m",
        "taskmanager.memory.managed.size": "0m",
        "taskmanager.memory.network.min": "64m",
        "taskmanager.memory.network.max": "64m",
        "taskmanager.memory.framework.off-heap.size": "128m",
        "taskmanager.memory.jvm-metaspace.size": "256m",
        "taskmanager.memory.jvm-overhead.min": "192m",
        "taskmanager.memory.jvm-overhead.max": "192m",
        "heartbeat.interval": "2 s",
        "heartbeat.timeout": "10 s",
        "slot.request.timeout": "60 s",
        # A TaskManager that is up before its JobManager would wait 10 s for the next attempt.
        "cluster.registration.error-delay": "500 ms",
        "cluster.registration.refused-registration-delay": "1 s",
        # For so long a lost slot is waited for rather than the job failed and restarted with a growing delay: the
        # supervisor brings the TaskManager back. Tasks ran again 11-12 s after a kill -9, against 16-22 s without.
        "resourcemanager.standalone.start-up-time": "100 d",
        "web.cancel.enable": True,
        "web.submit.enable": False,
        "io.tmp.dirs": str(paths.data / "flink-tmp"),
        "blob.storage.directory": str(paths.data / "flink-tmp"),
        "execution.checkpointing.dir": f"file://{paths.flink_state}/checkpoints",
        "execution.checkpointing.savepoint-dir": f"file://{paths.flink_state}/savepoints",
        **_rpc_ports(rpc or {}),
    }


def _rpc_ports(listeners: Mapping[str, Listener]) -> dict[str, object]:
    """A process refuses messages to another port than its `rpc.port`, so that must be the one that its peer uses."""
    return {
        name: port
        for process, listener in listeners.items()
        for name, port in (
            (f"{process}.rpc.port", listener.advertised_port),
            (f"{process}.rpc.bind-port", listener.port),
        )
    }


def own_jars() -> list[Path]:
    """The jars of the apache-flink package."""
    return sorted((package_folder("pyflink") / "lib").glob("*.jar"))


def prepare(paths: StackPaths, ports: Ports, connectors: list[Path], rpc: Mapping[str, Listener] | None = None) -> None:
    """Write the configuration and link the jars of Flink and its connectors into one folder."""
    link_jars(paths.lib / "flink", [*own_jars(), *connectors])
    (paths.data / "flink-tmp").mkdir(exist_ok=True)
    write_config(paths, config(paths, ports, rpc))


def write_config(paths: StackPaths, values: Mapping[str, object]) -> None:
    """Write the cluster's settings, and those of its logs, to where the programs read them."""
    folder = paths.conf / "flink"
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(dict(values)))
    (folder / "log4j-console.properties").write_text(LOG4J)


def programs(paths: StackPaths) -> list[Program]:
    """JobManager and TaskManager."""
    return [
        _program(paths, "flink-jobmanager", "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
                 "-Xmx512m", "-Xms128m", "-XX:MaxMetaspaceSize=256m", *SMALL),
        _program(paths, "flink-taskmanager", "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
                 "-Xmx768m", "-Xms256m", "-XX:MaxDirectMemorySize=192m", "-XX:MaxMetaspaceSize=256m", "-XX:+UseG1GC"),
    ]  # fmt: skip


def _program(paths: StackPaths, name: str, main_class: str, *options: str) -> Program:
    options = (
        *shared_classes(paths, name),
        *options,
        "-XX:+ExitOnOutOfMemoryError",
        # A TaskManager that comes back at the address of the one before may be called by the JobManager before it calls
        # itself. With one connection for both ways it then never gets through: its answers are discarded, for ever.
        "-Dpekko.remote.classic.use-passive-connections=off",
        # Its clock ticks every 10 ms by default, in each of two actor systems, whether anything is due or not.
        "-Dpekko.scheduler.tick-duration=50ms",
        f"-Dlog4j.configurationFile={paths.conf / 'flink' / 'log4j-console.properties'}",
        *_module_options(),
    )
    command = (*java(paths, "flink", *options), main_class, "--configDir", str(paths.conf / "flink"))
    return Program(name, command, priority=20)


def _module_options() -> list[str]:
    """The `--add-opens` list that Flink ships in its own configuration, less the compiler that this runtime has not."""
    shipped = yaml.safe_load((package_folder("pyflink") / "conf" / "config.yaml").read_text())
    return [option for option in str(shipped["env"]["java"]["opts"]["all"]).split() if "jdk.compiler" not in option]
