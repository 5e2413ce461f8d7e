"""`pi3 doctor`: looks at everything that the pipeline relies on, and names the fix of what is wrong."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

import typer

from infra.bootstrap import SUPPORTED
from infra.local.errors import SetupError
from orchestration.errors import Pi3Error
from orchestration.pi3 import findings, servers
from orchestration.pi3.findings import PRIVILEGES, Finding, State
from orchestration.pi3.output import AsJson, note, show
from orchestration.text import one_line

if TYPE_CHECKING:
    from infra.local.stack import Stack

# The location is loaded long since, or something is wrong.
LOCATION_TIMEOUT_S: Final = 10
Look = Callable[[servers.Servers], list[Finding]]


def doctor(as_json: AsJson = False) -> None:
    """Look at everything that the pipeline relies on, and name the fix of what is wrong. Ends with 1 for an error."""
    told = [findings.python((sys.version_info.major, sys.version_info.minor), SUPPORTED), *_settings_and_rest()]
    show({"findings": [asdict(finding) for finding in told]}, as_json)
    if any(finding.state is State.ERROR for finding in told):
        raise typer.Exit(1)


def _settings_and_rest() -> list[Finding]:
    try:
        found = servers.connect()
    except Pi3Error as error:
        return [Finding(State.ERROR, "settings", "not usable", str(error))]
    told = [Finding(State.OK, "settings", f"read for {found.settings.stack_dir}")]
    for what, look in LOOKS.items():
        told += examined(what, look, found)
    return told


def examined(what: str, look: Look, found: servers.Servers) -> list[Finding]:
    """What a look finds; an error is a finding too, whose message carries the fix."""
    try:
        return look(found)
    except (Pi3Error, SetupError, OSError) as error:
        return [Finding(State.ERROR, what, "wrong or out of reach", one_line(error))]


def _stack(found: servers.Servers) -> Stack:
    from orchestration.cli.local import local_stack

    return local_stack(found.settings, note)


def _disk(found: servers.Servers) -> list[Finding]:
    from infra.local.stack import NEEDED_BYTES

    folder = next(path for path in (found.settings.stack_dir, *found.settings.stack_dir.parents) if path.exists())
    return [findings.disk(shutil.disk_usage(folder).free, NEEDED_BYTES)]


def _supervisor(found: servers.Servers) -> list[Finding]:
    return findings.supervised({state.name: state.state for state in _stack(found).states()})


def _ports(found: servers.Servers) -> list[Finding]:
    from infra.local.ports import is_free

    stack = _stack(found)
    running = stack.supervisor.is_running()
    wanted = vars(stack.saved_ports()) if running else found.settings.fixed_ports
    return [findings.ports(wanted, [name for name, port in wanted.items() if not is_free(port)], running)]


def _flink(found: servers.Servers) -> list[Finding]:
    seen = found.stream.flink.client.overview()
    slots = f"Flink {seen.version}, {seen.slots_available} of {seen.slots_total} slots free"
    return [Finding(State.OK, "flink", slots)]


def _jars(found: servers.Servers) -> list[Finding]:
    from orchestration.streaming_job import job_spec

    job_spec(found.settings)
    return [Finding(State.OK, "jars", f"the connectors are in {found.settings.flink_lib_dir or 'the cluster'}")]


def _topic(found: servers.Servers) -> list[Finding]:
    from orchestration.resources.topics import TopicSpec, topic_drift

    kafka, spec = found.kafka, TopicSpec.of(found.settings)
    if not (replicas := kafka.replicas(spec.name)):
        return [Finding(State.ERROR, "topic", f"{spec.name} does not exist", "`pi3 topics create`, or `make run`")]
    lines = topic_drift(spec, replicas, kafka.config(spec.name))
    return [findings.drift("topic", lines, "alter the topic with Kafka's tools, or the PI3_KAFKA_… setting")]


def _roles(found: servers.Servers) -> list[Finding]:
    from orchestration.cli.preflight import ROLES

    for role in ROLES:
        with found.postgres.connect(role):
            pass
    return [Finding(State.OK, "postgres", f"{', '.join(ROLES)} can log in")]


def _table(found: servers.Servers) -> list[Finding]:
    fix = "undo the change; materialise the asset events_table, which names each difference"
    return [findings.drift("table events", found.postgres.verify_events_table(), fix)]


def _privileges(found: servers.Servers) -> list[Finding]:
    names = [getattr(found.postgres, item.role).name for item in PRIVILEGES]
    granted = found.postgres.privileges([(n, i.table, i.privilege) for n, i in zip(names, PRIVILEGES, strict=True)])
    return [findings.privileges(PRIVILEGES, granted)]


def _location(found: servers.Servers) -> list[Finding]:
    found.dagster.checks()  # a webserver that is away is told at once
    found.dagster.wait_for_location(LOCATION_TIMEOUT_S)
    return [Finding(State.OK, "dagster", "the code location is loaded")]


def _clock(found: servers.Servers) -> list[Finding]:
    from orchestration.ledger.store import LedgerStore

    with found.postgres.connect("reader") as connection:
        ahead = LedgerStore(connection, found.settings.kafka_topic).now() - datetime.now(timezone.utc)
    return [findings.clock(ahead.total_seconds())]


LOOKS: Final[dict[str, Look]] = {
    "disk": _disk,
    "supervisor": _supervisor,
    "ports": _ports,
    "flink": _flink,
    "jars": _jars,
    "topic": _topic,
    "postgres": _roles,
    "table events": _table,
    "privileges": _privileges,
    "dagster": _location,
    "clock": _clock,
}
