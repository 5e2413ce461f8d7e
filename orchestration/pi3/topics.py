"""`pi3 topics`: list, describe, create."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from orchestration.pi3 import servers
from orchestration.pi3.output import AsJson, note, show

app = typer.Typer(name="topics", help="Topics of the broker.", epilog="Example: pi3 topics list")

Name = Annotated[str | None, typer.Argument(help="Default: the stream's topic.", metavar="TOPIC")]


@app.command("list", epilog="Example: pi3 topics list --internal")
def list_topics(
    internal: Annotated[bool, typer.Option("--internal", help="Kafka's own topics too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Every topic, with its partitions and the records that are retained."""
    kafka = servers.connect().kafka
    spans = {name: kafka.offsets(name).values() for name in kafka.topics() if internal or not name.startswith("__")}
    rows = [
        {"topic": name, "partitions": len(found), "records": sum(span.end - span.begin for span in found)}
        for name, found in spans.items()
    ]
    show({"topics": rows}, as_json)


@app.command("describe", epilog="Example: pi3 topics describe topic_splitpay")
def describe_topic(topic: Name = None, as_json: AsJson = False) -> None:
    """Offsets and replicas of each partition, and the topic's configuration as it is in force."""
    found = servers.connect()
    name = topic or found.settings.kafka_topic
    offsets = found.kafka.offsets(name)
    replicas = found.kafka.replicas(name)
    partitions = [
        {
            "partition": number,
            "begin": span.begin,
            "end": span.end,
            "records": span.end - span.begin,
            "replicas": replicas.get(number),
        }
        for number, span in offsets.items()
    ]
    config = [{"name": key, "value": value} for key, value in sorted(found.kafka.config(name).items())]
    show({"partitions": partitions, "configuration": config}, as_json)


@app.command("create", epilog="Example: pi3 topics create orders --partitions 8 --retention-ms 86400000")
def create_topic(
    topic: Name = None,
    partitions: Annotated[int | None, typer.Option(min=1, help="Default: as the settings say.")] = None,
    replication_factor: Annotated[int | None, typer.Option(min=1, help="Default: as the settings say.")] = None,
    retention_ms: Annotated[
        int | None, typer.Option(min=-1, help="-1: for ever. Default: as the settings say.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a topic if it is absent; one that is there is compared with what was asked for, and not altered."""
    from orchestration.resources.topics import TopicSpec

    found = servers.connect()
    asked = {
        "name": topic,
        "partitions": partitions,
        "replication_factor": replication_factor,
        "retention_ms": retention_ms,
    }
    given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    spec = replace(TopicSpec.of(found.settings), **given)
    report = found.kafka.ensure_topic(spec)
    row = {"topic": spec.name, "created": report.created, "partitions": report.partitions}
    show({"topic": [{**row, "retention_ms": report.retention_ms, "cleanup_policy": report.cleanup_policy}]}, as_json)
    for line in report.drift:
        note(f"warning: {line}; it was not altered")
    if report.drift:
        raise typer.Exit(1)
