"""Endpoints for Prometheus: an agent in each JVM, and the exporter of what Dagster knows of the stream.

Flink has a reporter for Prometheus of its own, which listens on every address of the machine. Its JMX reporter opens no
port, and the agent that Kafka needs anyway reads both; infra/metrics/flink.yml gives the figures the names that Flink's
own reporter gives them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import yaml

from infra.local.java import link_jars, package_folder
from infra.local.paths import REPOSITORY, StackPaths
from infra.local.ports import LOOPBACK, Ports
from infra.local.program import Program

# By program: which of the ports, and the agent's rules.
JVMS: Final = {
    "kafka": ("kafka_metrics", "kafka.yml"),
    "flink-jobmanager": ("flink_jobmanager_metrics", "flink.yml"),
    "flink-taskmanager": ("flink_taskmanager_metrics", "flink.yml"),
}
# A JVM with an agent refuses to write its class archive; one that is there from a run without is used all the same.
WRITES_CLASSES: Final = "-XX:+AutoCreateSharedArchive"
REPORTER: Final = "-Dmetrics.reporter.jmx.factory.class=org.apache.flink.metrics.jmx.JMXReporterFactory"


def prepare(paths: StackPaths, ports: Ports) -> None:
    """Link Flink's plugin, and write what a Prometheus needs to know."""
    plugin = "metrics-jmx"
    link_jars(_plugins(paths) / plugin, sorted((package_folder("pyflink") / "plugins" / plugin).glob("*.jar")))
    scrape_file(paths).write_text(yaml.safe_dump(scrape_config(ports), sort_keys=False))


def scrape_file(paths: StackPaths) -> Path:
    """A configuration for `prometheus --config.file`."""
    return paths.conf / "prometheus.yml"


def scrape_config(ports: Ports) -> dict[str, Any]:
    """One job for each server."""
    found = asdict(ports)
    jobs = {**{name: found[port] for name, (port, _) in JVMS.items()}, "pi3": ports.metrics}
    return {
        "global": {"scrape_interval": "15s"},
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [f"{LOOPBACK}:{port}"]}]} for name, port in jobs.items()
        ],
    }


def watched(programs: Iterable[Program], paths: StackPaths, ports: Ports, agent: Path) -> list[Program]:
    """The same programs, each JVM among them with its endpoint."""
    return [_watched(program, paths, ports, agent) if program.name in JVMS else program for program in programs]


def exporter(paths: StackPaths, ports: Ports) -> Program:
    """The process that asks Dagster."""
    command = (str(paths.python), "-W", "ignore", "-m", "orchestration.metrics", "--port", str(ports.metrics))
    return Program("metrics", command, priority=50)


def _watched(program: Program, paths: StackPaths, ports: Ports, agent: Path) -> Program:
    port, rules = JVMS[program.name]
    # Java ends the agent's path at the first "=", which the clone's may hold; programs run in the clone.
    jar = agent.relative_to(REPOSITORY)
    java, *rest = (part for part in program.command if part != WRITES_CLASSES)
    with_agent = (java, f"-javaagent:{jar}={LOOPBACK}:{asdict(ports)[port]}:infra/metrics/{rules}", *rest)
    if program.name == "kafka":
        return replace(program, command=with_agent)
    environment = {**program.environment, "FLINK_PLUGINS_DIR": str(_plugins(paths))}
    return replace(program, command=(*with_agent, REPORTER), environment=environment)


def _plugins(paths: StackPaths) -> Path:
    return paths.lib / "flink-plugins"
