"""This project's Flink job as the control plane sees it: its spec, its identity, how it is started and stopped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from flink_jobs.builder import job_fingerprint
from flink_jobs.spec import JobSpec
from orchestration.errors import ConfigurationError
from orchestration.flink.resource import Ensured, FlinkResource, Stopped
from orchestration.flink.submit import submit
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import REPOSITORY, Settings, child_environment, password_file

SUBMIT_TIMEOUT_S = 120.0
LOCK_TIMEOUT_S = 240.0
NEEDED_JARS = ("flink-sql-connector-kafka", "flink-connector-jdbc-core", "flink-connector-jdbc-postgres", "postgresql")


def job_spec(settings: Settings) -> JobSpec:
    """The job that these settings describe, not yet bound to a restore point.

    Raises:
        ConfigurationError: a connector's jar is missing from the library folder.
    """
    _check_jars(settings.flink_lib_dir)
    rest = urlsplit(settings.flink_rest_url)
    return JobSpec(
        job_name=settings.flink_job_name,
        bootstrap_servers=settings.kafka_bootstrap_servers,
        topic=settings.kafka_topic,
        consumer_group=settings.kafka_consumer_group,
        jdbc_url=f"jdbc:postgresql://{settings.postgres_host}:{settings.postgres_port}/{settings.postgres_database}",
        jdbc_user=settings.postgres_writer,
        password_file=str(password_file(settings, "writer")),
        table="events",
        state_uri=settings.flink_state_uri,
        parallelism=settings.flink_parallelism,
        checkpoint_interval_ms=settings.checkpoint_interval_ms,
        sink_flush_rows=settings.sink_flush_rows,
        sink_flush_interval_ms=settings.sink_flush_interval_ms,
        rest_address=rest.hostname,
        rest_port=rest.port,
        client_java_home=str(settings.java_home) if settings.java_home else None,
        client_lib_dir=str(settings.flink_lib_dir) if settings.flink_lib_dir else None,
        client_log_dir=str(settings.stack_dir / "log"),
    )


def current_fingerprint(settings: Settings) -> str:
    """Identity of what the job runs: its SQL, the settings that shape it and the versions of its jars."""
    return job_fingerprint(job_spec(settings))


def ensure_running(settings: Settings, flink: FlinkResource, postgres: PostgresResource) -> Ensured:
    """Adopt or submit the job under a lock in Postgres: two launches at once end with one job.

    Raises:
        ConfigurationError: a setting is wrong, or the job fails as it starts.
        TransientError: a server is out of reach or too slow.
    """
    spec = job_spec(settings)
    with _lock(postgres, spec.job_name):
        return flink.ensure_running(spec.job_name, job_fingerprint(spec), partial(_submit, settings, spec))


def stop(settings: Settings, flink: FlinkResource, postgres: PostgresResource) -> Stopped | None:
    """Stop the job with a savepoint, under the same lock; None if none was active."""
    with _lock(postgres, settings.flink_job_name):
        return flink.stop(settings.flink_job_name)


@contextmanager
def _lock(postgres: PostgresResource, job_name: str) -> Iterator[None]:
    """One launch or stop at a time, whoever asks; Postgres frees the lock when its holder dies."""
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = %s", (int(LOCK_TIMEOUT_S * 1000),))
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (f"pi3.job.{job_name}",))
        yield


def _submit(settings: Settings, spec: JobSpec, restore_path: str | None, job_id: str) -> str:
    path = settings.run_dir / "job.json"
    replace(spec, restore_path=restore_path, job_id=job_id).write(path)
    command = (sys.executable, "-m", "flink_jobs.main", "--spec", str(path))
    return submit(command, child_environment(), SUBMIT_TIMEOUT_S, str(REPOSITORY))


def _check_jars(folder: Path | None) -> None:
    names = [path.name for path in folder.glob("*.jar")] if folder else []
    missing = [jar for jar in NEEDED_JARS if folder and not any(name.startswith(f"{jar}-") for name in names)]
    if missing:
        raise ConfigurationError(
            f"PI3_FLINK_LIB_DIR {folder} lacks {', '.join(missing)}: `make run` brings them for the local stack, "
            "infra/jars.lock names them for your own cluster"
        )
