"""Bad settings: each gives one clear line that says what to do, and nothing is half-started."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from infra.local import ready
from infra.local.errors import SetupError
from infra.local.paths import StackPaths
from infra.local.stack import Stack
from orchestration import ops
from orchestration.cli import preflight
from orchestration.defs import provisioning, streaming
from orchestration.errors import ConfigurationError
from orchestration.flink.resource import FlinkResource
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.resources.producer import ProducerResource
from orchestration.resources.producer_processes import ProducerProcesses
from orchestration.resources.topics import TopicSpec
from orchestration.settings import REPOSITORY, Settings
from orchestration.streaming_job import StreamingJob

RUN = [sys.executable, "-W", "ignore", "-m", "orchestration", "run"]
WRONG = "hunter2"
# Nothing listens there, so every request fails at once.
NO_NETWORK = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the environment of the tests, less their settings and the packages of this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PI3_", "PIP_FIND_LINKS"))}
    env = kept | {"no_proxy": "", "NO_PROXY": ""} | environment
    return subprocess.run(command, env=env, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)


def the_one_error(done: subprocess.CompletedProcess[str]) -> str:
    """The only line on standard error of a command that failed."""
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


@contextmanager
def taken_port() -> Iterator[int]:
    """A port on which somebody else listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def test_set_up_without_a_network(tmp_path: Path) -> None:
    clone = tmp_path / "my clone"
    shutil.copytree(REPOSITORY / "infra", clone / "infra", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "requirements.lock", clone)
    done = run([sys.executable, str(clone / "infra" / "bootstrap.py")], PIP_RETRIES="0", **NO_NETWORK)
    assert "cannot install the packages: check the network, pip's proxy" in the_one_error(done)
    assert str(clone / ".stack" / "set-up.log") in done.stderr
    assert not list((clone / ".stack").glob("venv/.requirements-sha256"))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PI3_LOCAL_KAFKA_PORT", None, "(PI3_LOCAL_KAFKA_PORT) is taken on 127.0.0.1: stop what listens there, set"),
        ("PI3_KAFKA_PARTITIONS", "none", "setting PI3_KAFKA_PARTITIONS: "),
        ("PI3_KAFKA_TOPICS", "x", "unknown setting PI3_KAFKA_TOPICS: did you mean PI3_KAFKA_TOPIC?"),
    ],
)
def test_a_start_that_is_refused_leaves_no_server(name: str, value: str | None, words: str, tmp_path: Path) -> None:
    root = tmp_path / "stack"
    with taken_port() as port:
        done = run(RUN, **{"PI3_STACK_DIR": str(root), name: value or str(port)})
    assert words in the_one_error(done)
    assert not [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("role", ["owner", "writer", "reader", "auditor"])
def test_a_wrong_password_is_found_before_anything_is_launched(role: str, settings: Settings) -> None:
    wrong = settings.model_copy(update={f"postgres_{role}_password": SecretStr(WRONG)})
    name = getattr(settings, f"postgres_{role}")
    with pytest.raises(
        ConfigurationError, match=f"refuses {name}: .*password authentication failed .*its password"
    ) as e:
        preflight.check(wrong)
    assert WRONG not in str(e.value)
    preflight.check(settings)


def test_run_shows_a_wrong_password_as_one_line(stack: Stack) -> None:
    before = {state.name: state.pid for state in stack.states()}
    done = run(RUN, PI3_STACK_DIR=str(stack.paths.root), PI3_POSTGRES_OWNER_PASSWORD=WRONG)
    assert "password authentication failed" in the_one_error(done)
    assert "launching" not in done.stdout
    assert WRONG not in done.stdout + done.stderr
    assert {state.name: state.pid for state in stack.states()} == before


def test_a_lost_superuser_password_says_what_belongs_together(stack: Stack, tmp_path: Path) -> None:
    lost = StackPaths(tmp_path)
    lost.make()
    (lost.secrets / "postgres_superuser_password").write_text("another")
    with pytest.raises(
        SetupError, match=r"refuses the password in .*postgres_superuser_password: bring back .*make clean"
    ):
        ready.postgres(lost, stack.saved_ports())


@pytest.mark.parametrize("kept", [(), ("flink-sql-connector-kafka", "pi3-connector")])
def test_missing_jars_are_named(kept: tuple[str, ...], settings: Settings, tmp_path: Path) -> None:
    assert settings.flink_lib_dir is not None
    for jar in settings.flink_lib_dir.glob("*.jar"):
        if jar.name.startswith(kept or ("/",)):
            (tmp_path / jar.name).symlink_to(jar)
    with pytest.raises(
        ConfigurationError, match=rf"^PI3_FLINK_LIB_DIR {tmp_path} lacks .*postgresql: .*jars\.lock"
    ) as e:
        preflight.check(settings.model_copy(update={"flink_lib_dir": tmp_path}))
    assert [name in str(e.value) for name in kept] == [False] * len(kept)


@pytest.fixture
def producer(settings: Settings, topic_name: str, tmp_path: Path) -> Iterator[ProducerResource]:
    """Producers of the test's own."""
    found = ProducerProcesses(
        run_dir=str(tmp_path / "run"),
        working_dir=str(REPOSITORY),
        bootstrap_servers=settings.kafka_bootstrap_servers,
        topic=topic_name,
    )
    yield found
    found.stop_all()


def failures(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, **resources: object
) -> tuple[dict[str, str], set[str]]:
    """Run what `start_pipeline` runs; returns the failed steps with our words for it, and the steps that began."""
    monkeypatch.setattr(ops, "load_settings", lambda: settings)
    assets = [*provisioning.assets(settings), *streaming.assets(settings)]
    own = [asset for asset in assets if isinstance(asset, dg.AssetsDefinition)]
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(own, resources=resources, instance=instance, raise_on_error=False)
    assert not [event for event in result.all_events if event.is_step_up_for_retry]
    failed = {}
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error and not error.message.startswith("orchestration."):
                error = error.cause
            failed[str(event.step_key)] = error.message.strip() if error else "not our words"
    return failed, {str(event.step_key) for event in result.all_events if event.is_step_start}


def test_a_topic_with_too_few_partitions_stops_the_launch(
    *,
    settings: Settings,
    kafka: KafkaResource,
    migrated: PostgresResource,
    producer: ProducerResource,
    topic_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kafka.ensure_topic(TopicSpec(topic_name, 1, 1, settings.kafka_retention_ms))
    ours = settings.model_copy(update={"kafka_topic": topic_name, "kafka_partitions": 3})
    flink = FlinkResource(rest_url=settings.flink_rest_url, state_uri=settings.flink_state_uri)
    stream = StreamingJob(ours, flink, kafka, migrated)
    failed, began = failures(ours, monkeypatch, kafka=kafka, postgres=migrated, stream=stream, producer=producer)
    (line,) = failed.values()
    assert f"topic {topic_name} at" in line
    assert (
        "has 1 partitions and 3 are wanted: set PI3_KAFKA_PARTITIONS=1, or add partitions with kafka-topics.sh" in line
    )
    assert "\n" not in line
    assert {step.partition(".")[0] for step in began} == {"events_topic", "events_table"}
    assert producer.reports() == []


def test_a_table_with_other_columns_stops_the_launch(
    *,
    settings: Settings,
    kafka: KafkaResource,
    empty_schema: PostgresResource,
    producer: ProducerResource,
    topic_name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with empty_schema.connect("owner") as connection, connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE events (id SERIAL PRIMARY KEY, event_id TEXT)")
    ours = settings.model_copy(update={"kafka_topic": topic_name})
    flink = FlinkResource(rest_url=settings.flink_rest_url, state_uri=settings.flink_state_uri)
    stream = StreamingJob(ours, flink, kafka, empty_schema)
    failed, began = failures(ours, monkeypatch, kafka=kafka, postgres=empty_schema, stream=stream, producer=producer)
    (line,) = failed.values()
    assert "column event_id is text, expected character varying(50) NOT NULL" in line
    assert "rename that table, or set PI3_POSTGRES_DATABASE to another database" in line
    assert "\n" not in line
    assert "streaming_job" not in {step.partition(".")[0] for step in began}
