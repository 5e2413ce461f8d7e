"""Jars of Kafka Connect with Debezium's sink, of Kafka's own tools and of Flink's stock sink: `bench/jars.lock`.

`python -m bench.jars` writes the lock anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from infra.local import jars
from infra.local.java import link_jars
from infra.local.paths import StackPaths

__all__ = ["CONNECT", "DEBEZIUM", "STOCK_SINK", "link"]

LOCK: Final = Path(__file__).with_name("jars.lock")
CONNECT: Final = "connect"
DEBEZIUM: Final = "debezium"
STOCK_SINK: Final = "stock-sink"
# Connect takes each folder of its plugin path for a plugin.
FOLDERS: Final = {DEBEZIUM: "plugins/debezium"}
WANTED: Final = {
    # Brings Connect's runtime, and the producer's performance test.
    CONNECT: ("org.apache.kafka:kafka-tools:4.3.1",),
    # Of Hibernate, the patch release that the connector names is not to be had.
    DEBEZIUM: (
        "io.debezium:debezium-connector-jdbc:3.6.0.Final",
        "org.hibernate.orm:hibernate-core:7.2.19.Final",
        "org.hibernate.orm:hibernate-agroal:7.2.19.Final",
        "org.antlr:antlr4-runtime:4.13.2",
    ),
    STOCK_SINK: (
        "org.apache.flink:flink-connector-jdbc-core:4.0.0-2.0",
        "org.apache.flink:flink-connector-jdbc-postgres:4.0.0-2.0",
    ),
}
# What writes Connect's log; by themselves, since resolved together they would set other jars' versions.
LOGGING: Final = (
    "com.fasterxml.jackson.dataformat:jackson-dataformat-yaml:2.21.2",
    "org.apache.logging.log4j:log4j-slf4j2-impl:2.25.4",
    "org.slf4j:slf4j-api:2.0.17",
    "org.yaml:snakeyaml:2.4",
)
# Drivers of other databases; what Connect brings and a plugin must not bring again.
LEFT_OUT: Final = (
    "com.mysql:",
    "org.mariadb.jdbc:",
    "com.microsoft.sqlserver:",
    "com.oracle.database.jdbc:",
    "org.hibernate:hibernate-agroal:",
    "com.fasterxml.jackson.core:",
    "org.apache.kafka:",
    "org.slf4j:",
    "com.github.luben:",
    "at.yawk.lz4:",
    "org.xerial.snappy:",
)


def link(paths: StackPaths, server: str) -> Path:
    """Fetch what the lock names for CONNECT, DEBEZIUM or STOCK_SINK, and link it into a folder, which is returned.

    Raises:
        SetupError: a jar is not to be had.
    """
    folder = paths.lib / FOLDERS.get(server, server)
    wanted = [jar for jar in jars.read_lock(LOCK) if jar.server == server]
    link_jars(folder, list(jars.fetch(paths.maven, wanted).values()))
    return folder


def main() -> None:
    """Resolve `WANTED` and write the lock."""
    cache = Path(".stack/maven")
    connect = jars.resolve(CONNECT, WANTED[CONNECT], cache, transitive=True, left_out=("org.slf4j:",))
    logging = jars.resolve(CONNECT, LOGGING, cache, transitive=False)
    debezium = jars.resolve(DEBEZIUM, WANTED[DEBEZIUM], cache, transitive=True, left_out=LEFT_OUT)
    stock_sink = jars.resolve(STOCK_SINK, WANTED[STOCK_SINK], cache, transitive=False)
    jars.write_lock(LOCK, [*connect, *logging, *debezium, *stock_sink])


if __name__ == "__main__":
    main()
