"""`pi3 preflight`: whether the clusters that the settings name are as the pipeline needs them, before a launch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Final

import typer

from flink_jobs.spec import JobSpecError
from orchestration.pi3 import doctor, probing, readiness, servers
from orchestration.pi3.doctor import examined
from orchestration.pi3.findings import Finding, State
from orchestration.pi3.output import AsJson, note, show

if TYPE_CHECKING:
    from orchestration.resources.brokers import Brokers

Look = Callable[[servers.Servers], list[Finding]]

# By principal: what it must be allowed on the topic.
ON_TOPIC: Final = {
    "dagster": ("DESCRIBE", "DESCRIBE_CONFIGS", "READ"),
    "producer": ("DESCRIBE", "WRITE"),
    "flink": ("DESCRIBE", "READ"),
}


def preflight(
    probe: Annotated[
        bool, typer.Option(help="Submit a job to Flink that writes one row into the state's folder.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Try logins, rights, versions, topic, table, folder and clocks; nothing stays. Ends with 1 for an error."""
    found = servers.connect()
    told: list[Finding] = []
    for what, look in LOOKS.items():
        if what != "flink probe" or probe:
            note(f"looking at {what}")
            told += _looked(what, look, found)
    show({"preflight": [asdict(finding) for finding in told]}, as_json)
    if any(finding.state is State.ERROR for finding in told):
        raise typer.Exit(1)


def _looked(what: str, look: Look, found: servers.Servers) -> list[Finding]:
    try:
        return examined(what, look, found)
    except JobSpecError as error:
        return [Finding(State.ERROR, what, "these settings describe no job that could run", str(error))]


def principals(found: servers.Servers) -> dict[str, Brokers]:
    """Kafka as each of the three clients meets it."""
    from orchestration.resources.brokers import Brokers

    ways = {"dagster": Brokers.of, "producer": Brokers.of_producers, "flink": Brokers.of_flink}
    return {name: way(found.settings) for name, way in ways.items()}


def on_groups(who: str, topic: str, group: str) -> dict[str, tuple[str, ...]]:
    """What a principal must be allowed on consumer groups; Dagster's readers name some that they never join."""
    if who == "dagster":
        return dict.fromkeys((group, f"pi3-ledger-{topic}", "pi3-deep-audit"), ("DESCRIBE",))
    return {group: ("READ",)} if who == "flink" else {}


def _kafka(found: servers.Servers) -> list[Finding]:
    """Of a principal that is not let in nothing more is asked."""
    told: list[Finding] = []
    for who, brokers in principals(found).items():
        told += _principal(found, who, brokers)
    return told


def _principal(found: servers.Servers, who: str, brokers: Brokers) -> list[Finding]:
    from confluent_kafka import KafkaException

    from orchestration.resources import kafka_rights

    topic = found.settings.kafka_topic
    if why := kafka_rights.unusable(brokers):
        return [readiness.not_tried(who, why)]
    try:
        entry = readiness.login(who, brokers.bootstrap_servers, kafka_rights.refusal(brokers))
        if entry.state is State.ERROR:
            return [entry]
        told = [
            entry,
            readiness.rights(who, f"topic {topic}", kafka_rights.topic_rights(brokers, topic), ON_TOPIC[who]),
        ]
        for group, needed in on_groups(who, topic, found.settings.kafka_consumer_group).items():
            told.append(readiness.rights(who, f"group {group}", kafka_rights.group_rights(brokers, group), needed))
    except KafkaException as error:
        return [Finding(State.ERROR, f"kafka login, {who}", error.args[0].str(), "run the command again")]
    return told


def _topic(found: servers.Servers) -> list[Finding]:
    from orchestration.resources.kafka_rights import may_create
    from orchestration.resources.topics import TopicSpec, topic_drift

    kafka, spec = found.kafka, TopicSpec.of(found.settings)
    replicas = kafka.replicas(spec.name)
    drift = topic_drift(spec, replicas, kafka.config(spec.name)) if replicas else None
    creatable = drift is None and may_create(kafka.brokers, spec.name)
    return [readiness.topic(spec.name, kafka.bootstrap_servers, drift, creatable)]


def _postgres(found: servers.Servers) -> list[Finding]:
    settings, postgres = found.settings, found.postgres
    where = f"{settings.postgres_database} at {settings.postgres_host}:{settings.postgres_port}"
    loopback = settings.postgres_host in ("127.0.0.1", "::1", "localhost")
    told = doctor.LOOKS["postgres"](found)
    told.append(readiness.encryption(where, postgres.encryption(), loopback))
    drift = postgres.verify_events_table()
    told.append(readiness.table(where, drift, postgres.may_create(postgres.owner.name)))
    return told if drift else [*told, *doctor.LOOKS["privileges"](found)]


def _flink(found: servers.Servers) -> list[Finding]:
    from orchestration.streaming_job import NEEDED_JARS, job_spec

    settings, client = found.settings, found.stream.flink.client
    where, seen = settings.flink_rest_url, client.overview()
    lib = settings.flink_lib_dir
    ours = [jar.name for jar in lib.glob("*.jar")] if lib else []
    told = [
        readiness.flink_version(where, seen.version, version("apache-flink")),
        readiness.jars(where, client.class_path(), ours, NEEDED_JARS, seen.version),
    ]
    if not client.active_jobs(settings.flink_job_name):
        told.append(readiness.slots(where, seen.slots_available, settings.flink_parallelism))
    job_spec(settings)
    return told


def _clocks(found: servers.Servers) -> list[Finding]:
    return [*readiness.clocks({"postgres": probing.postgres_ahead_s(found)}), probing.newest_record(found)]


LOOKS: Final[dict[str, Look]] = {
    "kafka": _kafka,
    "topic": _topic,
    "postgres": _postgres,
    "flink": _flink,
    "flink probe": probing.flink_probe,
    "clocks": _clocks,
}
