"""The job as the settings describe it, and how it is handed to the program that submits it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from flink_jobs.spec import JobSpec
from orchestration import streaming_job
from orchestration.errors import ConfigurationError
from orchestration.settings import REPOSITORY, Settings
from orchestration.streaming_job import NEEDED_JARS, current_fingerprint, ensure_running, job_spec, stop

PASSWORD = "hunter2-hunter2"  # noqa: S105


@pytest.fixture
def lib(tmp_path: Path) -> Path:
    """A library folder with every connector."""
    folder = tmp_path / "lib"
    folder.mkdir()
    for name in NEEDED_JARS:
        (folder / f"{name}-1.0.jar").touch()
    return folder


@pytest.fixture
def settings(tmp_path: Path, lib: Path) -> Settings:
    """Settings that differ from every default."""
    return Settings(
        stack_dir=tmp_path,
        kafka_bootstrap_servers="kafka:1",
        kafka_topic="topic",
        kafka_consumer_group="group",
        postgres_host="db",
        postgres_port=2345,
        postgres_database="base",
        postgres_writer="writer",
        postgres_writer_password=SecretStr(PASSWORD),
        flink_rest_url="http://flink:3456",
        flink_job_name="name",
        flink_parallelism=7,
        flink_lib_dir=lib,
        flink_state_uri="s3://bucket/state",
        java_home=tmp_path / "java",
        checkpoint_interval_ms=1_111,
        sink_flush_rows=222,
        sink_flush_interval_ms=333,
    )


def test_each_setting_reaches_the_job(settings: Settings, tmp_path: Path, lib: Path) -> None:
    assert job_spec(settings) == JobSpec(
        job_name="name",
        bootstrap_servers="kafka:1",
        topic="topic",
        consumer_group="group",
        jdbc_url="jdbc:postgresql://db:2345/base",
        jdbc_user="writer",
        password_file=str(tmp_path / "run" / "postgres_writer_password"),
        table="events",
        state_uri="s3://bucket/state",
        parallelism=7,
        checkpoint_interval_ms=1_111,
        sink_flush_rows=222,
        sink_flush_interval_ms=333,
        rest_address="flink",
        rest_port=3456,
        client_java_home=str(tmp_path / "java"),
        client_lib_dir=str(lib),
        client_log_dir=str(tmp_path / "log"),
    )


def test_the_password_is_in_its_file_alone(settings: Settings) -> None:
    spec = job_spec(settings)
    assert PASSWORD not in spec.to_json()
    assert Path(spec.password_file).read_text() == PASSWORD


@pytest.mark.parametrize("missing", NEEDED_JARS)
def test_a_missing_connector_is_named(missing: str, settings: Settings, lib: Path) -> None:
    (lib / f"{missing}-1.0.jar").unlink()
    with pytest.raises(ConfigurationError, match=rf"^PI3_FLINK_LIB_DIR {lib} lacks {missing}: `make run` brings"):
        job_spec(settings)


def test_every_missing_connector_is_named_at_once(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=", ".join(NEEDED_JARS)):
        job_spec(settings.model_copy(update={"flink_lib_dir": tmp_path / "nowhere"}))


def test_a_cluster_that_has_the_jars_itself_needs_no_folder(settings: Settings) -> None:
    spec = job_spec(settings.model_copy(update={"flink_lib_dir": None, "java_home": None}))
    assert (spec.client_lib_dir, spec.client_java_home) == (None, None)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        # Where it runs and how it logs in say nothing of what it does.
        ({"flink_rest_url": "http://other:1"}, True),
        ({"postgres_writer_password": SecretStr("another")}, True),
        ({"heartbeat_interval_s": 1}, True),
        ({"kafka_topic": "other"}, False),
        ({"flink_parallelism": 8}, False),
        ({"sink_flush_rows": 1}, False),
        ({"checkpoint_interval_ms": 9_999}, False),
        ({"postgres_database": "other"}, False),
    ],
)
def test_the_fingerprint_tells_jobs_apart_that_behave_differently(
    change: dict[str, object], same: bool, settings: Settings
) -> None:
    changed = current_fingerprint(settings.model_copy(update=change))
    assert (changed == current_fingerprint(settings)) is same


def test_the_fingerprint_tells_versions_of_a_connector_apart(settings: Settings, lib: Path) -> None:
    before = current_fingerprint(settings)
    (lib / "postgresql-1.0.jar").rename(lib / "postgresql-1.1.jar")
    assert current_fingerprint(settings) != before


class Servers:
    """Postgres and Flink; keeps what happens, in order."""

    def __init__(self) -> None:
        self.did: list[Any] = []

    @contextmanager
    def connect(self, role: str) -> Iterator[Servers]:
        self.did.append(f"connect {role}")
        try:
            yield self
        finally:
            self.did.append("disconnect")

    @contextmanager
    def cursor(self) -> Iterator[Servers]:
        yield self

    def execute(self, statement: str, parameters: tuple[object, ...]) -> None:
        if "lock" in statement:
            self.did.append(("lock", *parameters))

    def ensure_running(self, name: str, fingerprint: str, submit: Callable[[str | None, str], str]) -> str:
        self.did.append(("ensure", name, fingerprint))
        return submit("file:///savepoint-1", "0" * 32)

    def stop(self, name: str) -> str:
        self.did.append(("stop", name))
        return "stopped"


def test_a_launch_is_one_at_a_time_and_hands_over_a_file(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers: Any = Servers()
    submitted: list[tuple[Sequence[str], str | None]] = []

    def submit(command: Sequence[str], environment: Mapping[str, str], timeout_s: float, directory: str | None) -> str:
        submitted.append((command, directory))
        assert timeout_s > 0
        assert PASSWORD not in " ".join([*command, *environment.values()])
        return "job-1"

    monkeypatch.setattr(streaming_job, "submit", submit)
    ensured: object = ensure_running(settings, servers, servers)
    assert ensured == "job-1"
    assert servers.did == [
        "connect owner",
        ("lock", "pi3.job.name"),
        ("ensure", "name", current_fingerprint(settings)),
        "disconnect",
    ]
    ((command, directory),) = submitted
    assert command == (sys.executable, "-m", "flink_jobs.main", "--spec", str(tmp_path / "run" / "job.json"))
    assert directory == str(REPOSITORY)
    written = JobSpec.read(tmp_path / "run" / "job.json")
    assert (written.restore_path, written.job_id) == ("file:///savepoint-1", "0" * 32)
    assert written.topic == "topic"


def test_a_stop_takes_the_same_lock(settings: Settings) -> None:
    servers: Any = Servers()
    stopped: object = stop(settings, servers, servers)
    assert stopped == "stopped"
    assert servers.did == ["connect owner", ("lock", "pi3.job.name"), ("stop", "name"), "disconnect"]


def test_a_missing_jar_is_found_before_anything_is_asked(settings: Settings, lib: Path) -> None:
    servers: Any = Servers()
    (lib / "postgresql-1.0.jar").unlink()
    with pytest.raises(ConfigurationError):
        ensure_running(settings, servers, servers)
    assert servers.did == []
