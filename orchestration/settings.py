"""The one settings object: typed, validated, and the only reader of the environment.

Precedence, highest first: environment (`PI3_*`), `.env`, `.stack/stack.env` (written by the local stack), password
files in `.stack/secrets` (mode 0600, named after their setting), the defaults below. `PI3_STACK_DIR` names another
folder than `.stack`.
"""

from __future__ import annotations

import difflib
import os
from functools import lru_cache
from ipaddress import IPv4Network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from infra.containers.site import Site
from infra.local.secrets import write_private
from orchestration import client_options
from orchestration.client_options import ClientOptions
from orchestration.errors import ConfigurationError

REPOSITORY = Path(__file__).resolve().parents[1]


def _with_host_and_port(url: str) -> str:
    # The submitting program takes a missing host for "no cluster" and starts one of its own.
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not parts.port:
        raise ValueError("should name scheme, host and port, such as http://127.0.0.1:8081")
    return url


def _of_a_subnet(numbers: str) -> str:
    try:
        IPv4Network(f"{numbers}.0/24")
    except ValueError as error:
        raise ValueError("should be the first three numbers of a subnet, such as 10.93.57") from error
    return numbers


Port = Annotated[int, Field(ge=1024, le=65535)]
Positive = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """Every knob of the pipeline; units are in the names (`_s`, `_ms`, `_bytes`)."""

    model_config = SettingsConfigDict(env_prefix="PI3_", extra="forbid", frozen=True)

    stack_dir: Path = REPOSITORY / ".stack"

    # Kafka; `flink_…` and `producer_…` are for where those see the servers under other addresses than Dagster does
    kafka_bootstrap_servers: str = "127.0.0.1:9092"
    flink_kafka_bootstrap_servers: str | None = None
    producer_kafka_bootstrap_servers: str | None = None
    kafka_topic: str = "topic_splitpay"
    kafka_partitions: Positive = 4
    kafka_replication_factor: Positive = 1
    kafka_retention_ms: Positive = 7 * 24 * 3600 * 1000
    kafka_consumer_group: str = "pi3-splitpay"
    # Options of the clients as JSON, by librdkafka's names; those for producers and Flink are laid over the first
    kafka_options: ClientOptions = {}
    producer_kafka_options: ClientOptions = {}
    flink_kafka_options: ClientOptions = {}  # or by the names of Kafka's Java client
    kafka_password: SecretStr = SecretStr("")  # sasl.password
    producer_kafka_password: SecretStr = SecretStr("")
    flink_kafka_password: SecretStr = SecretStr("")

    # Postgres
    postgres_host: str = "127.0.0.1"
    postgres_port: Port = 5432
    flink_postgres_host: str | None = None
    flink_postgres_port: Port | None = None
    postgres_database: str = "pi3db"
    postgres_owner: str = "pi3_owner"
    postgres_writer: str = "pi3_writer"
    postgres_reader: str = "pi3_reader"
    postgres_auditor: str = "pi3_auditor"
    postgres_owner_password: SecretStr = SecretStr("")
    postgres_writer_password: SecretStr = SecretStr("")
    postgres_reader_password: SecretStr = SecretStr("")
    postgres_auditor_password: SecretStr = SecretStr("")
    postgres_options: ClientOptions = {}  # by libpq's names, such as sslmode
    flink_postgres_options: ClientOptions = {}  # laid over the former; or by the JDBC driver's names

    # Flink
    flink_backend: Literal["session", "kubernetes"] = "session"  # who runs the job: a cluster, or Flink's operator
    kubernetes_url: str = "https://kubernetes.default.svc"
    kubernetes_namespace: str = "pi3"
    kubernetes_account_dir: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount")
    flink_rest_url: Annotated[str, AfterValidator(_with_host_and_port)] = "http://127.0.0.1:8081"
    flink_rest_ca_file: Path | None = None  # PEM; None: the usual authorities
    flink_rest_token: SecretStr = SecretStr("")  # for a proxy that asks for one: Authorization: Bearer ...
    flink_job_name: str = "splitpay-events"
    flink_parallelism: Positive = 4
    flink_lib_dir: Path | None = None
    flink_state_uri: str = f"file://{REPOSITORY}/.stack/data/flink"
    s3_endpoint_url: str | None = None  # of an object store for `flink_state_uri` that is not Amazon's
    java_home: Path | None = None
    checkpoint_interval_ms: Positive = 5_000
    sink_flush_rows: Positive = 2_048
    sink_flush_interval_ms: Positive = 50

    # Producer that the `event_producer` asset launches
    producer_rate_per_s: Annotated[float, Field(ge=0)] = 200.0
    producer_count: Annotated[int, Field(ge=0)] = 0
    producer_seed: int = 42
    producer_malformed_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    producer_late_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    producer_duplicate_share: Annotated[float, Field(ge=0, le=1)] = 0.01

    # Control plane
    heartbeat_interval_s: Positive = 15
    health_check_cron: str = "*/5 * * * *"
    landing_patience_s: Positive = 20
    upgrade_limit_s: Positive = 60
    recovery_attempts: Positive = 5
    recovery_backoff_s: Positive = 5  # after the first attempt; then twice as long each time, at most 120
    savepoint_cron: str = "0 */6 * * *"
    savepoints_kept: Positive = 5
    session_report_s: Positive = 30
    dagster_url: str = "http://127.0.0.1:3000"
    ledger_interval_s: Positive = 15
    ledger_budget_s: Positive = 10
    deep_audit_cron: str = "30 2 * * *"
    dead_letter_window_s: Positive = 900
    dead_letter_share_warn: Annotated[float, Field(ge=0, le=1)] = 0.05
    dead_letter_share_error: Annotated[float, Field(ge=0, le=1)] = 0.5
    alert_webhook_url: SecretStr = SecretStr("")  # empty: alerts go to the log alone
    alert_interval_s: Positive = 30
    alert_settle_s: Annotated[int, Field(ge=0)] = 60  # a check that flaps within it alerts once
    hourly_start: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}-\d{2}:00$")] = "2026-01-01-00:00"
    hourly_grace_s: Positive = 60
    hourly_window_h: Positive = 48
    hourly_revise_s: Annotated[int, Field(ge=0)] = 3_600

    metrics: bool = False  # whether the servers of the local stack have endpoints for Prometheus
    # Where a browser finds the UIs, if under other addresses than Dagster does
    flink_ui_url: str | None = None
    dagster_ui_url: str | None = None

    # What runs producers and runs: processes of this machine, or containers beside ours
    backend: Literal["processes", "containers"] = "processes"
    containers_project: str = "pi3"  # compose's name of the project, with which networks and volumes begin
    containers_image: str = "localhost/pi3:latest"
    containers_socket: Path = Path("/var/run/docker.sock")  # of the engine, as the host names it
    containers_socket_gid: Annotated[int, Field(ge=0)] = 0  # the group that may use it
    # What the addresses of their network begin with; `make containers` takes the next that is free
    containers_subnet: Annotated[str, AfterValidator(_of_a_subnet)] = Site.subnet

    # Local stack: a port that must be this one; without it the usual port is taken, or a free one
    local_kafka_port: Port | None = None
    local_kafka_controller_port: Port | None = None
    local_postgres_port: Port | None = None
    local_flink_rest_port: Port | None = None
    local_flink_rpc_port: Port | None = None
    local_dagster_port: Port | None = None
    local_dagster_code_port: Port | None = None
    local_kafka_metrics_port: Port | None = None
    local_flink_jobmanager_metrics_port: Port | None = None
    local_flink_taskmanager_metrics_port: Port | None = None
    local_metrics_port: Port | None = None

    @property
    def run_dir(self) -> Path:
        """Where job specs and producers' reports lie."""
        return self.stack_dir / "run"

    @property
    def flink_ui(self) -> str:
        """Address of Flink's UI, for people."""
        return self.flink_ui_url or self.flink_rest_url

    @property
    def dagster_ui(self) -> str:
        """Address of Dagster's UI, for people."""
        return self.dagster_ui_url or self.dagster_url

    @property
    def fixed_ports(self) -> dict[str, int]:
        """The local stack's ports that a setting fixes, by server."""
        ports = self.model_dump(include={name for name in type(self).model_fields if name.startswith("local_")})
        return {name.removeprefix("local_").removesuffix("_port"): port for name, port in ports.items() if port}


def read_settings(stack_dir: Path, user_file: Path | None = REPOSITORY / ".env") -> Settings:
    """Read the settings of the stack in `stack_dir`, without the cache of `load_settings`.

    Raises:
        ConfigurationError: a value is missing or malformed; the message names each setting and its fix.
    """
    if unknown := [name for name in os.environ if name.upper().startswith("PI3_") and name.upper() not in _known()]:
        raise ConfigurationError("; ".join(map(_unknown, sorted(unknown))))
    secrets = stack_dir / "secrets"
    files = (stack_dir / "stack.env", *((user_file,) if user_file else ()))
    try:
        found = Settings(_env_file=files, _secrets_dir=secrets if secrets.is_dir() else None, stack_dir=stack_dir)
    except ValidationError as error:
        raise ConfigurationError(_explain(error)) from error
    except SettingsError as error:
        raise ConfigurationError(_explain_json(str(error))) from error
    client_options.check(found)
    return found


@lru_cache
def load_settings() -> Settings:
    """The settings of this process's stack, read once.

    Raises:
        ConfigurationError: a value is missing or malformed; the message names each setting and its fix.
    """
    return read_settings(Path(os.environ.get("PI3_STACK_DIR", REPOSITORY / ".stack")).resolve())


def password_file(settings: Settings, role: str) -> Path:
    """A file, mode 0600, with the password of `owner`, `writer`, `reader` or `auditor`, for programs that take a path.

    Raises:
        ConfigurationError: no password is set for the role.
    """
    password = getattr(settings, f"postgres_{role}_password").get_secret_value()
    if not password:
        raise ConfigurationError(f"no password for the Postgres role {role}: set PI3_POSTGRES_{role.upper()}_PASSWORD")
    own = settings.stack_dir / "secrets" / f"pi3_postgres_{role}_password"
    return own if _holds(own, password) else private_file(settings, f"postgres_{role}_password", password)


def private_file(settings: Settings, name: str, text: str) -> Path:
    """A file with just this text that only its owner can read, for programs that take a path.

    One that holds the text is left alone: a program that reads it at this moment must not find it empty.
    """
    path = settings.run_dir / name
    if not _holds(path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, text)
    return path


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text and path.stat().st_mode & 0o077 == 0


def container_site(settings: Settings) -> Site:
    """Where containers are started: beside ours, on the same engine."""
    return Site(
        project=settings.containers_project,
        image=settings.containers_image,
        socket=settings.containers_socket,
        socket_gid=settings.containers_socket_gid,
        subnet=settings.containers_subnet,
    )


def child_environment(**extra: str) -> dict[str, str]:
    """The environment for a program that we start: ours, plus `extra`; what it asks of loopback passes no proxy."""
    direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    direct = direct if direct == "*" else ",".join(filter(None, (direct, "127.0.0.1", "localhost")))
    return {**os.environ, "no_proxy": direct, "NO_PROXY": direct, **extra}


def _known() -> set[str]:
    return {f"PI3_{name.upper()}" for name in Settings.model_fields}


def _unknown(name: str) -> str:
    similar = difflib.get_close_matches(name.upper(), _known(), n=1, cutoff=0.8)
    advice = f"did you mean {similar[0]}?" if similar else "remove it; orchestration/settings.py lists them all"
    return f"unknown setting {name}: {advice}"


def _explain(error: ValidationError) -> str:
    return "; ".join(_explain_one(str(item["loc"][0]).upper(), item) for item in error.errors())


def _explain_json(complaint: str) -> str:
    names = [name for name in Settings.model_fields if f'"{name}"' in complaint]
    return f'setting PI3_{"/".join(names).upper()}: should be a JSON object, such as {{"ssl.ca.location": "/ca.pem"}}'


def _explain_one(name: str, item: ErrorDetails) -> str:
    return _unknown(name) if item["type"] == "extra_forbidden" else f"setting PI3_{name}: {item['msg']}"
