"""Health against real servers: what is read of them, gone, silent or locked ones too, and what is told."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from orchestration.defs import checks, sensors
from orchestration.flink.resource import FlinkResource
from orchestration.health.facts import Desired, KafkaFacts, PostgresFacts, Unreachable
from orchestration.health.gather import Servers, gather
from orchestration.health.read_kafka import read_kafka
from orchestration.health.read_postgres import read_desired, read_postgres
from orchestration.lifecycle import record
from orchestration.resources.kafka import KafkaResource, TopicSpec
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import Settings
from tests.fixtures.flink_rest import Reply, RestDouble, serving

DAY_MS = 86_400_000
JOB = "health-test"


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts and never says a word, as that of a server that is stopped by a signal."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def at_ports(servers: Servers, *ports: int) -> Servers:
    flink, kafka, postgres = ports
    return Servers(
        FlinkResource(rest_url=f"http://127.0.0.1:{flink}", state_uri=servers.flink.state_uri),
        KafkaResource(bootstrap_servers=f"127.0.0.1:{kafka}"),
        replace(servers.postgres, port=postgres),
    )


class Flink(RestDouble):
    """The REST API of a cluster with one job that does well, until the test says otherwise."""

    def __init__(self) -> None:
        self.state = "RUNNING"
        super().__init__(self.reply)

    def reply(self, _: str, path: str, __: dict[str, str], ___: Any) -> Reply:  # noqa: ANN401
        now_ms = int(time.time() * 1000)
        if path == "/jobs/overview":
            job = {"jid": "j", "name": JOB, "state": self.state, "start-time": now_ms - 900_000, "end-time": -1,
                   "duration": 1, "tasks": {"running": 1, "total": 1}}  # fmt: skip
            return 200, {"jobs": [job]}
        if path.endswith("/checkpoints"):
            completed = {"id": 1, "external_path": "file:/c", "trigger_timestamp": now_ms, "is_savepoint": False,
                         "latest_ack_timestamp": now_ms}  # fmt: skip
            latest = {"completed": completed, "failed": None, "restored": None}
            counts = {"completed": 9, "failed": 0, "in_progress": 0, "restored": 0}
            return 200, {"counts": counts, "latest": latest, "history": []}
        return 200, {"exceptionHistory": {"entries": []}} if path.endswith("/exceptions") else []


@dataclass
class Stream:
    """A topic and a table of the test's own, and the job's part played by the test."""

    settings: Settings
    servers: Servers
    flink: Flink
    instance: dg.DagsterInstance
    cursor: str | None = None
    told: list[Any] = field(default_factory=list)

    def send(self, *stamps_ms: int) -> None:
        """Records of partition 0 with these timestamps (0: now)."""
        producer = Producer({"bootstrap.servers": self.servers.kafka.bootstrap_servers})
        for stamp_ms in stamps_ms:
            producer.produce(self.settings.kafka_topic, b"{}", partition=0, timestamp=stamp_ms)
        assert producer.flush(30) == 0

    def commit(self, offset: int) -> None:
        """As the job does when a checkpoint completes."""
        group = {"group.id": self.settings.kafka_consumer_group}
        consumer = Consumer(group | {"bootstrap.servers": self.servers.kafka.bootstrap_servers})
        consumer.commit(offsets=[TopicPartition(self.settings.kafka_topic, 0, offset)], asynchronous=False)
        consumer.close()

    def land(self, rows: int) -> None:
        """More rows in the table, by its owner."""
        with self.servers.postgres.connect("owner") as connection, connection, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO events (event_id, user_name, location) "
                "SELECT gen_random_uuid()::text, 'u', 'l' FROM generate_series(1, %s)",
                (rows,),
            )

    def tick(self, servers: Servers | None = None) -> dict[str, Any]:
        """One tick as the daemon does it: the metadata of the event on `events`, and whether it materialized it."""
        heartbeat = next(s for s in sensors.sensors(self.settings) if s.name == "heartbeat_sensor")
        found = servers or self.servers
        resources = {"flink": found.flink, "kafka": found.kafka, "postgres": found.postgres}
        result = heartbeat(dg.build_sensor_context(self.instance, self.cursor, resources=resources))
        assert isinstance(result, dg.SensorResult), result
        self.cursor = result.cursor or self.cursor
        (event,) = result.asset_events
        metadata = {name: value.value for name, value in event.metadata.items()}
        return metadata | {"materialized": isinstance(event, dg.AssetMaterialization)}

    def verdicts(self) -> list[tuple[bool, str, str]]:
        """What was told of `stream_healthy`, oldest first: passed, severity, cause."""
        key = dg.AssetCheckKey(dg.AssetKey("streaming_job"), "stream_healthy")
        history = self.instance.event_log_storage.get_asset_check_execution_history(key, limit=50)
        found = [
            entry.evaluation for entry in reversed(history) if isinstance(entry.evaluation, dg.AssetCheckEvaluation)
        ]
        return [(e.passed, e.severity.value, str(e.metadata["cause"].value)) for e in found]


@pytest.fixture
def stream(
    settings: Settings, kafka: KafkaResource, migrated: PostgresResource, topic_name: str, tmp_path: Path
) -> Iterator[Stream]:
    """Wanted running since long ago, caught up, and never examined."""
    kafka.ensure_topic(TopicSpec(topic_name, 1, 1, 7 * DAY_MS))
    own = {"kafka_topic": topic_name, "kafka_consumer_group": f"group-{topic_name}", "flink_job_name": JOB}
    record.want(migrated, JOB, "running")
    with migrated.connect("owner") as connection, connection, connection.cursor() as cursor:
        cursor.execute("UPDATE streaming_jobs SET desired_at = now() - interval '1 day'")
    with ExitStack() as stack:
        double = stack.enter_context(serving(Flink()))
        instance = stack.enter_context(dg.DagsterInstance.local_temp(str(tmp_path)))
        flink = FlinkResource(rest_url=double.url, state_uri=f"file://{tmp_path}")
        servers = Servers(flink, kafka, migrated)
        assert isinstance(double, Flink)
        yield Stream(settings.model_copy(update=own), servers, double, instance)


# What is read


def test_what_waits_and_how_old_it_is(stream: Stream) -> None:
    kafka, topic, group = stream.servers.kafka, stream.settings.kafka_topic, stream.settings.kafka_consumer_group
    now_ms = int(time.time() * 1000)
    stream.send(now_ms - 4 * DAY_MS, now_ms - 3 * DAY_MS, now_ms - 5 * DAY_MS, 0)
    stream.commit(1)
    # The newest of the first that wait: Kafka keeps them as long as that.
    found = read_kafka(kafka, topic, group)
    assert found == KafkaFacts({0: 0}, {0: 4}, {0: 1}, 7 * DAY_MS, found.oldest_waiting_at_s)
    assert found.oldest_waiting_at_s == pytest.approx(now_ms / 1000, abs=60)
    stream.commit(3)
    assert read_kafka(kafka, topic, group, {0: 3}).oldest_waiting_at_s is None, "it has not waited since then"
    stream.commit(4)
    assert read_kafka(kafka, topic, group).oldest_waiting_at_s is None


def test_records_that_retention_has_removed(stream: Stream) -> None:
    kafka, topic = stream.servers.kafka, stream.settings.kafka_topic
    stream.send(*[0] * 10)
    stream.commit(2)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    place = TopicPartition(topic, 0, 7)
    admin.delete_records([place])[place].result(10)
    found = read_kafka(kafka, topic, stream.settings.kafka_consumer_group)
    assert (found.begins, found.committed, found.lag) == ({0: 7}, {0: 2}, 3)


@contextmanager
def locked(postgres: PostgresResource) -> Iterator[None]:
    """Somebody holds the table, and a session of the job waits for it."""
    with postgres.connect("owner") as holder, holder.cursor() as cursor:
        cursor.execute("SET application_name = 'a migration'; LOCK TABLE events IN ACCESS EXCLUSIVE MODE")
        with postgres.connect("writer") as waiter:
            with waiter.cursor() as named:
                named.execute(f"SET application_name = '{JOB}#7'")
            waiter.commit()
            thread = in_background(waiter)
            yield
            holder.rollback()
            thread.join()


def in_background(connection: Any) -> Any:  # noqa: ANN401
    import threading

    def read() -> None:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM events")

    thread = threading.Thread(target=read)
    thread.start()
    return thread


def test_who_holds_the_lock_that_the_job_waits_for(stream: Stream) -> None:
    postgres, topic = stream.servers.postgres, stream.settings.kafka_topic
    assert read_postgres(postgres, topic, JOB) == PostgresFacts(0)
    stream.land(3)
    assert read_postgres(postgres, topic, JOB) == PostgresFacts(3)
    with locked(postgres):
        time.sleep(0.5)
        found = read_postgres(postgres, topic, JOB)
        assert found.newest_id is None
        (session,) = found.blocked
        assert session.application == f"{JOB}#7"
        assert 0.3 < session.waiting_s < 30
        assert len(session.blockers) == 1
        assert session.blockers[0].startswith(f"a migration (role {postgres.owner.name}, pid ")
        assert read_postgres(postgres, topic, "another-job").blocked == ()


def test_what_is_wanted_and_whether_somebody_sees_to_it(stream: Stream) -> None:
    postgres, topic = stream.servers.postgres, stream.settings.kafka_topic
    assert read_desired(postgres, "another-job") is None
    found = read_desired(postgres, JOB)
    assert isinstance(found, Desired)
    assert (found.state, round(time.time() - found.at_s, -2)) == ("running", 86_400)
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"pi3.job.{JOB}",))
        assert read_postgres(postgres, topic, JOB).changing
        assert not read_postgres(postgres, topic, "another-job").changing
    assert not read_postgres(postgres, topic, JOB).changing


@pytest.mark.parametrize("port", ["silent", "closed"])
def test_servers_that_are_out_of_reach_cost_less_than_ten_seconds(stream: Stream, port: str) -> None:
    with ExitStack() as stack:
        ports = [stack.enter_context(silent_port()) if port == "silent" else closed_port() for _ in range(3)]
        started = time.monotonic()
        facts = gather(stream.settings, at_ports(stream.servers, *ports), None)
        assert time.monotonic() - started < 10
    assert isinstance(facts.flink, Unreachable)
    assert isinstance(facts.kafka, Unreachable)
    assert isinstance(facts.postgres, Unreachable)
    assert facts.desired is None


# What is told


def test_the_heartbeat_tells_a_cause_once_and_rows_when_there_are_any(stream: Stream) -> None:
    first = stream.tick()
    assert (first["health"], first["materialized"], first["rows"]) == ("landing", False, 0)
    stream.land(5)
    second = stream.tick()
    assert (second["materialized"], second["new_rows"], second["lag"]) == (True, 5, 0)
    assert second["health_since"] == first["health_since"]
    stream.flink.state = "RESTARTING"
    assert stream.tick()["health"] == "recovering"
    stream.flink.state = "RUNNING"
    assert stream.tick()["health"] == "landing"
    told = [("landing", True), ("recovering", False), ("landing", True)]
    assert [(cause, passed) for passed, _, cause in stream.verdicts()] == told


@pytest.mark.parametrize(
    ("down", "cause", "absent"),
    [
        (0, "unreachable", set()),
        (1, "source_unreachable", {"lag", "lag_partition_0"}),
        (2, "sink_blocked", {"rows", "new_rows", "rows_per_s"}),
    ],
)
def test_the_heartbeat_tells_of_a_server_that_is_down_and_of_the_others(
    stream: Stream, down: int, cause: str, absent: set[str]
) -> None:
    figures = {"lag", "lag_partition_0", "rows", "new_rows", "rows_per_s"}
    stream.tick()
    ports = [int(stream.flink.url.rpartition(":")[2]), int(stream.servers.kafka.bootstrap_servers.rpartition(":")[2])]
    ports.append(stream.servers.postgres.port)
    ports[down] = closed_port()
    stream.land(2)
    found = stream.tick(at_ports(stream.servers, *ports))
    assert (found["health"], figures - set(found)) == (cause, absent)
    assert stream.verdicts()[-1] == (False, "WARN", cause)
    after = stream.tick()
    assert after["health"] == "landing"
    assert found.get("new_rows", 0) + after["new_rows"] == 2, "rows are counted at the next beat that can"


def test_a_locked_table_is_told_and_does_not_hold_up_the_heartbeat(stream: Stream) -> None:
    stream.tick()
    with locked(stream.servers.postgres):
        time.sleep(3.5)
        started = time.monotonic()
        found = stream.tick()
        assert time.monotonic() - started < 10
    assert (found["health"], "rows" in found) == ("sink_blocked", False)
    assert "held by a migration" in found["health_words"]
    assert stream.tick()["health"] == "landing"


def evaluated(stream: Stream, servers: Servers) -> dict[str, tuple[bool, str, str]]:
    """Every check of the stream, in a run that must succeed."""

    @dg.asset
    def events_topic() -> None: ...

    @dg.asset
    def streaming_job() -> None: ...

    @dg.asset
    def events() -> None: ...

    found = checks.checks(stream.settings)
    definitions = dg.Definitions(
        assets=[events_topic, streaming_job, events],
        asset_checks=found,
        jobs=[dg.define_asset_job("all_checks", selection=dg.AssetSelection.all_asset_checks())],
        resources={"flink": servers.flink, "kafka": servers.kafka, "postgres": servers.postgres},
    )
    job = definitions.resolve_job_def("all_checks")
    result = job.execute_in_process(instance=stream.instance, raise_on_error=True)
    return {
        e.check_name: (e.passed, e.severity.value, e.description or "") for e in result.get_asset_check_evaluations()
    }


def test_the_checks_of_a_stream_that_does_well_pass(stream: Stream) -> None:
    found = evaluated(stream, stream.servers)
    assert len(found) == 7
    assert [name for name, (passed, _, _) in found.items() if not passed] == []


def test_out_of_reach_is_unknown_and_never_failed(stream: Stream) -> None:
    stream.tick()
    since = stream.tick(at_ports(stream.servers, *[closed_port() for _ in range(3)]))["health_since"]
    time.sleep(1.1)
    found = evaluated(stream, at_ports(stream.servers, *[closed_port() for _ in range(3)]))
    assert {(passed, severity) for passed, severity, _ in found.values()} == {(False, "WARN")}
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(since))
    assert found["stream_healthy"][2].startswith(f"unknown since {moment} UTC: whether the job runs cannot be seen")
    assert all(words.startswith("unknown") for _, _, words in found.values())


def test_a_job_that_is_stopped_on_purpose_is_not_red(stream: Stream) -> None:
    stream.flink.state = "FINISHED"
    stream.send(0, 0)
    record.want(stream.servers.postgres, JOB, "stopped")
    found = evaluated(stream, stream.servers)
    assert [name for name, (passed, _, _) in found.items() if not passed] == []
    assert {name for name, (_, _, words) in found.items() if "stopped on purpose" in words} == {
        "running", "checkpoint_recent", "no_restart_storm", "rows_landing", "stream_healthy",
    }  # fmt: skip
