"""The job as the settings describe it, and how it is handed to the program that submits it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from flink_jobs.spec import JobSpec, read_options, read_token
from orchestration.errors import ConfigurationError
from orchestration.settings import Settings
from orchestration.streaming_job import NEEDED_JARS, current_version, job_spec

LOGIN = {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "dagster"}
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


def test_the_job_may_reach_its_servers_under_other_addresses(settings: Settings) -> None:
    other = {
        "flink_kafka_bootstrap_servers": "far:2",
        "flink_postgres_host": "far-db",
        "flink_postgres_port": 6543,
    }
    spec = job_spec(settings.model_copy(update=other))
    assert (spec.bootstrap_servers, spec.jdbc_url) == ("far:2", "jdbc:postgresql://far-db:6543/base")


def test_the_job_may_be_let_in_by_options_and_a_token(settings: Settings, tmp_path: Path) -> None:
    secure = {
        "kafka_options": {name: SecretStr(value) for name, value in LOGIN.items()},
        "flink_kafka_password": SecretStr(PASSWORD),
        "postgres_options": {"sslmode": SecretStr("verify-full")},
        "flink_rest_url": "https://gateway:8443/flink/",
        "flink_rest_ca_file": tmp_path / "ca.pem",
        "flink_rest_token": SecretStr(PASSWORD),
    }
    spec = job_spec(settings.model_copy(update=secure))
    assert (spec.rest_address, spec.rest_port, spec.rest_path, spec.rest_tls) == ("gateway", 8443, "/flink", True)
    assert spec.rest_ca_file == str(tmp_path / "ca.pem")
    assert read_token(spec) == PASSWORD
    options = read_options(spec)
    assert options["postgres"] == {"sslmode": "verify-full"}
    assert f'username="dagster" password="{PASSWORD}"' in options["kafka"]["sasl.jaas.config"]
    assert PASSWORD not in spec.to_json()


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
        # A certificate that moves, or another login, is no other job.
        ({"kafka_options": {"ssl.ca.location": SecretStr("/ca.pem")}, "flink_rest_token": SecretStr("t")}, True),
        ({"flink_postgres_options": {"sslmode": SecretStr("require")}, "flink_rest_url": "https://other:1/x"}, True),
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
    changed = current_version(settings.model_copy(update=change)).fingerprint
    assert (changed == current_version(settings).fingerprint) is same


def test_the_fingerprint_tells_versions_of_a_connector_apart(settings: Settings, lib: Path) -> None:
    before = current_version(settings).fingerprint
    (lib / "postgresql-1.0.jar").rename(lib / "postgresql-1.1.jar")
    assert current_version(settings).fingerprint != before


def test_a_rescale_is_another_version_of_the_same_definition(settings: Settings) -> None:
    wide, narrow = current_version(settings), current_version(settings, 3)
    assert (wide.parallelism, narrow.parallelism) == (7, 3)
    assert wide.fingerprint != narrow.fingerprint
