"""The command `pi3` on the real servers."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestration.cli.dagster_api import DagsterApi
from orchestration.ledger.acknowledgement import acknowledge_gone
from orchestration.pi3 import servers
from orchestration.pi3.app import app
from orchestration.resources.kafka import KafkaResource
from orchestration.settings import REPOSITORY, Settings
from tests.fixtures.ledger import Scene, event


@pytest.fixture
def scene_servers(
    scene: Scene, settings: Settings, api: DagsterApi, monkeypatch: pytest.MonkeyPatch
) -> servers.Servers:
    """The servers, of which the commands see the scene's topic and schema, and a group and a job of its own."""
    monkeypatch.setattr(servers, "load_settings", lambda: settings)
    found = servers.connect()
    own = settings.model_copy(
        update={
            "kafka_topic": scene.topic,
            "kafka_partitions": 2,
            "kafka_consumer_group": f"{scene.topic}-group",
            # The pipeline's own may be running, for the sake of other tests.
            "flink_job_name": scene.topic,
        }
    )
    stream = replace(found.stream, settings=own, postgres=scene.postgres)
    shown = servers.Servers(own, scene.kafka, scene.postgres, stream, api)
    monkeypatch.setattr(servers, "connect", lambda: shown)
    return shown


def pi3(*arguments: str, code: int = 0, text: str | None = None) -> str:
    """Run the command in this process; what it printed to standard output."""
    done = CliRunner().invoke(app, arguments, input=text)
    assert done.exit_code == code, done.output
    return done.stdout


def told(*arguments: str, code: int = 0, text: str | None = None) -> Any:  # noqa: ANN401
    """What the command printed as JSON."""
    return json.loads(pi3(*arguments, "--json", code=code, text=text))


@pytest.mark.usefixtures("scene_servers")
def test_topics(kafka: KafkaResource, topic_name: str) -> None:
    flags = ("--partitions", "3", "--retention-ms", "3600000")
    created = told("topics", "create", topic_name, *flags)["topic"][0]
    assert created == {
        "topic": topic_name,
        "created": True,
        "partitions": 3,
        "retention_ms": 3_600_000,
        "cleanup_policy": "delete",
    }
    assert told("topics", "create", topic_name, *flags)["topic"][0]["created"] is False
    told("topics", "create", topic_name, "--partitions", "2", "--retention-ms", "3600000", code=1)
    listed = {row["topic"]: row for row in told("topics", "list")["topics"]}
    assert listed[topic_name] == {"topic": topic_name, "partitions": 3, "records": 0}
    assert not any(name.startswith("__") for name in listed)
    described = told("topics", "describe", topic_name)
    assert [row["partition"] for row in described["partitions"]] == [0, 1, 2]
    assert {"name": "retention.ms", "value": "3600000"} in described["configuration"]
    assert kafka.replicas(topic_name) == {0: 1, 1: 1, 2: 1}
    assert "does not exist" in CliRunner().invoke(app, ["topics", "describe", "nowhere"]).output


@pytest.mark.usefixtures("scene_servers")
def test_what_is_produced_is_consumed(scene: Scene) -> None:
    scene.produce(b"\xff\x00", None, partition=1)
    sent = told("produce", event("e1").decode())["produced"][0]
    assert (sent["key"], sent["becomes"]) == ("e1", "event")
    bad = told("produce", text="{not json\n")["produced"][0]
    assert bad["key"] is None
    assert bad["becomes"].startswith("dead letter: ")
    lines = [json.loads(line) for line in pi3("consume", "--from-beginning", "--json").splitlines()]
    assert len(lines) == 4
    (mine,) = [line for line in lines if line["key"] == "e1"]
    assert (mine["partition"], mine["offset"]) == (sent["partition"], sent["offset"])
    assert json.loads(mine["value"])["event_id"] == "e1"
    plain = pi3("consume", "--offset", "0", "--partition", "1", "--max", "2").splitlines()
    assert [line.split("\t")[0:2] + line.split("\t")[3:] for line in plain] == [
        ["1", "0", "-", "\\xff\\x00"],
        ["1", "1", "-", "-"],
    ]
    last = pi3("consume", "--offset", "-1", "--partition", str(sent["partition"]), "--json").splitlines()
    assert len(last) == 1


def test_a_group_is_shown_and_reset(scene: Scene, scene_servers: servers.Servers) -> None:
    group = f"g-{secrets.token_hex(4)}"
    scene.produce(*[event(f"e{n}") for n in range(5)])
    dry = told("groups", "reset", group, "--to", "latest")["partitions"]
    assert dry[0] == {"partition": 0, "from": 0, "to": 5, "read_again": 0, "skipped": 5}
    assert scene.kafka.committed(group, scene.topic) == {}
    pi3("groups", "reset", group, "--to", "latest", "--yes")
    rows = told("groups", "describe", group)["partitions"]
    assert rows[0] == {"partition": 0, "committed": 5, "end": 5, "lag": 0}
    pi3("groups", "reset", group, "--to", "2020-01-01", "--yes")
    assert told("groups", "describe", group)["partitions"][0]["lag"] == 5
    assert group in [row["group"] for row in told("groups", "list")["groups"]]
    # The stream's own: no job of it is wanted in this schema, so it counts as stopped.
    own = scene_servers.settings.kafka_consumer_group
    pi3("groups", "reset", own, "--to", "earliest", "--yes")
    assert scene.kafka.committed(own, scene.topic) == {0: 0, 1: 0}
    scene.execute("INSERT INTO streaming_jobs (job_name) VALUES (%s)", scene_servers.stream.name)
    refused = CliRunner().invoke(app, ["groups", "reset", own, "--to", "earliest", "--yes"])
    assert refused.exit_code == 2
    assert "`pi3 job reset`" in refused.output


def test_a_group_with_members_is_not_reset(scene: Scene, scene_servers: servers.Servers) -> None:
    from confluent_kafka import Consumer

    group = f"g-{secrets.token_hex(4)}"
    consumer = Consumer({"bootstrap.servers": scene_servers.kafka.bootstrap_servers, "group.id": group})
    try:
        consumer.subscribe([scene.topic])
        while not consumer.assignment():
            consumer.poll(0.2)
        refused = CliRunner().invoke(app, ["groups", "reset", group, "--to", "latest", "--yes"])
    finally:
        consumer.close()
    assert refused.exit_code == 2
    assert f"group {group} has members" in refused.output


@pytest.mark.usefixtures("scene_servers")
def test_ledger_and_dead_letters(scene: Scene) -> None:
    scene.run_job(event("e1"), b"{broken\x07", event("e2", user_name=" "))
    scene.audit()
    ledger = told("ledger")
    assert ledger["ledger"][0] | {"landed": 1, "dead": 2, "lost": 0, "from": 0, "to": 3} == ledger["ledger"][0]
    assert {row["verdict"] for row in ledger["verdicts"]} == {"passed"}
    letters = told("dead-letters", "list", "--max", "1")
    assert sum(row["letters"] for row in letters["reasons"]) == 2
    assert len(letters["newest"]) == 1
    assert "{broken\\x07" in pi3("dead-letters", "show", "0", "1")
    assert told("dead-letters", "show", "0", "1")["letter"][0]["value"] == "{broken\x07"
    pi3("dead-letters", "show", "0", "0", code=2)
    planned = {row["what"]: row["letters"] for row in told("dead-letters", "redrive", "--partition", "0")["redrive"]}
    assert planned == {"selected": 2, "sent": 0, "left: it would be a dead letter again": 2}
    scene.execute("DELETE FROM events WHERE event_id = 'e1'")
    scene.audit()
    assert {row["check"]: row["verdict"] for row in told("ledger", code=1)["verdicts"]}["nothing_lost"] == "ERROR"


@pytest.mark.usefixtures("scene_servers")
def test_what_is_gone_is_shown_before_it_is_acknowledged(scene: Scene) -> None:
    scene.run_job(event("e1"))
    scene.audit()
    scene.remove_unread(2)
    scene.audit()
    row = {"partition": 0, "acknowledged": 0, "unacknowledged": 2, "offsets": "1-2"}
    assert told("ledger", "acknowledge")["gone"] == [row]
    acknowledge_gone(scene.postgres, scene.topic, "an outage", "r1")
    assert told("ledger", "acknowledge")["gone"] == [row | {"acknowledged": 2, "unacknowledged": 0, "offsets": ""}]
    (judged,) = (row for row in told("ledger")["verdicts"] if row["check"] == "nothing_lost")
    assert (judged["verdict"], judged["why"][-20:]) == ("passed", "2 gone, acknowledged")


def test_the_doctor_finds_what_is_wrong(scene: Scene, scene_servers: servers.Servers) -> None:
    def states() -> dict[str, str]:
        done = CliRunner().invoke(app, ["doctor", "--json"])
        return {row["what"]: row["state"] for row in json.loads(done.stdout)["findings"]}

    sound = states()
    # The scene's topic has a retention of its own.
    assert {what for what, state in sound.items() if state != "ok"} <= {"topic", "disk"}, sound
    assert {"supervisor", "ports", "flink", "jars", "postgres", "table events", "privileges", "dagster"} <= set(sound)
    scene.execute("ALTER TABLE events DROP CONSTRAINT events_event_id_key")
    scene.execute(f"REVOKE INSERT ON events FROM {scene_servers.postgres.writer.name}")
    found = states()
    assert (found["table events"], found["privileges"]) == ("ERROR", "ERROR")


@pytest.mark.usefixtures("scene_servers")
def test_a_verb_is_a_run_whose_failure_is_one_line() -> None:
    done = CliRunner().invoke(app, ["job", "replay", "0:5-1"])
    assert done.exit_code == 1
    assert done.output.splitlines()[-1].startswith("error: replay_range ended as FAILURE: replay_offsets: ")
    assert "/runs/" in done.output


def test_the_pages_of_a_stack(settings: Settings, api: DagsterApi) -> None:
    """As a program of its own, in another folder; nothing else needs what set-up has put into the environment."""
    del api
    command = REPOSITORY / ".stack" / "venv" / "bin" / "pi3"
    known = [sys.executable, "-W", "ignore", "-m", "orchestration.pi3"]
    done = subprocess.run(
        [*([str(command)] if command.exists() else known), "status", "--json"],
        cwd="/" if command.exists() else REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    page = json.loads(done.stdout)
    assert "checks" in page
    assert "job" in page
    assert {row["server"] for row in page["servers"]} >= {"kafka", "postgres", "flink-jobmanager"}
    log = subprocess.run(
        [*known, "logs", "kafka", "-n", "1"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert len(log.stdout.splitlines()) == 1
    assert (settings.stack_dir / "log" / "kafka.log").exists()
