"""`pi3 groups`: list, describe, reset."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.errors import ConfigurationError
from orchestration.pi3 import servers
from orchestration.pi3.output import AsJson, note, show

app = typer.Typer(name="groups", help="Consumer groups and their offsets.", epilog="Example: pi3 groups list")

Group = Annotated[str | None, typer.Argument(help="Default: the stream's group.", metavar="GROUP")]
Topic = Annotated[str | None, typer.Option(help="Default: the stream's topic.")]
To = Annotated[str, typer.Option("--to", help="earliest, latest, or a time such as 2026-03-01T12:00 (UTC).")]


@app.command("list", epilog="Example: pi3 groups list")
def list_them(as_json: AsJson = False) -> None:
    """Every consumer group that the broker knows."""
    from orchestration.resources.kafka_groups import list_groups

    rows = [{"group": group.name, "state": group.state} for group in list_groups(servers.connect().kafka)]
    show({"groups": rows}, as_json)


@app.command("describe", epilog="Example: pi3 groups describe pi3-splitpay")
def describe(group: Group = None, topic: Topic = None, as_json: AsJson = False) -> None:
    """Committed offset, end and lag of each partition."""
    from orchestration.resources.topics import lag_by_partition

    found = servers.connect()
    name = topic or found.settings.kafka_topic
    committed = found.kafka.committed(group or found.settings.kafka_consumer_group, name)
    spans = found.kafka.offsets(name)
    lags = lag_by_partition(spans, committed)
    rows = [
        {"partition": number, "committed": committed.get(number), "end": span.end, "lag": lags[number]}
        for number, span in spans.items()
    ]
    show({"partitions": rows}, as_json)


@app.command("reset", epilog="Example: pi3 groups reset my-group --to latest --yes")
def reset(
    group: Annotated[str, typer.Argument(help="The group whose readers are stopped.", metavar="GROUP")],
    to: To,
    topic: Topic = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is a dry run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show from where to where a group would go, and with --yes move it. Of the stream use `pi3 job reset`."""
    from orchestration.lifecycle.reset import read_moves, rows, targets
    from orchestration.resources.kafka_groups import commit

    found = servers.connect()
    name = topic or found.settings.kafka_topic
    if group == found.settings.kafka_consumer_group:
        _require_stopped(found)
    planned = read_moves(found.kafka, group, name, to)
    if yes:
        commit(found.kafka, group, name, targets(planned))
    show({"partitions": rows(planned)}, as_json)
    note("done" if yes else "a dry run: nothing was changed; add --yes to do it")


def _require_stopped(found: servers.Servers) -> None:
    """The stream keeps its offsets in checkpoints: while it runs it would undo the reset, which the ledger had seen."""
    stream = found.stream
    if stream.record().desired != "stopped" or stream.flink.client.active_jobs(stream.name):
        raise ConfigurationError(
            f"{found.settings.kafka_consumer_group} is the group of the stream, which is not stopped: reset the stream "
            "itself with `pi3 job reset`, or stop it first with `pi3 job stop`"
        )
    note("warning: a start from a savepoint goes on from the savepoint's offsets, whatever the group's are")
