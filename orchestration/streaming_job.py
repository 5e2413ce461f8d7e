"""This project's Flink job as the control plane sees it: its spec, its identity, how it is started and stopped."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

# Dagster's own mark for a resource that is a plain object, as its Pipes clients are.
from dagster._core.definitions.resource_annotation import TreatAsResourceParam

from flink_jobs.builder import define, fingerprint
from flink_jobs.spec import JobSpec, jar_names
from orchestration.client_options import flink_options
from orchestration.errors import ConfigurationError, Pi3Error
from orchestration.flink.operated import OperatedFlinkResource
from orchestration.flink.resource import Claim, Ensured, FlinkResource, Stopped
from orchestration.flink.restore import remove_checkpoints
from orchestration.lifecycle import record
from orchestration.lifecycle.locks import exclusive
from orchestration.lifecycle.operated import OperatedSubmission
from orchestration.lifecycle.record import JobRecord, Version
from orchestration.lifecycle.reset import Moves, in_words, read_moves, targets
from orchestration.lifecycle.submission import Submission, Tell, silent
from orchestration.lifecycle.upgrade import Trial, UpgradeRolledBack, check_slots, lost_records
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import Settings, password_file, private_file

NEEDED_JARS = ("flink-sql-connector-kafka", "pi3-sink", "postgresql")


def job_spec(settings: Settings) -> JobSpec:
    """The job that these settings describe, not yet bound to a restore point.

    Raises:
        ConfigurationError: a connector's jar is missing from the library folder.
    """
    _check_jars(settings.flink_lib_dir)
    rest = urlsplit(settings.flink_rest_url)
    host = settings.flink_postgres_host or settings.postgres_host
    port = settings.flink_postgres_port or settings.postgres_port
    return JobSpec(
        job_name=settings.flink_job_name,
        bootstrap_servers=settings.flink_kafka_bootstrap_servers or settings.kafka_bootstrap_servers,
        topic=settings.kafka_topic,
        consumer_group=settings.kafka_consumer_group,
        jdbc_url=f"jdbc:postgresql://{host}:{port}/{settings.postgres_database}",
        jdbc_user=settings.postgres_writer,
        password_file=str(password_file(settings, "writer")),
        table="events",
        state_uri=settings.flink_state_uri,
        options_file=_private(settings, "flink_client_options", _client_options(settings)),
        parallelism=settings.flink_parallelism,
        checkpoint_interval_ms=settings.checkpoint_interval_ms,
        sink_flush_rows=settings.sink_flush_rows,
        sink_flush_interval_ms=settings.sink_flush_interval_ms,
        rest_address=rest.hostname,
        rest_port=rest.port,
        rest_tls=rest.scheme == "https",
        rest_path=rest.path.rstrip("/") or None,
        rest_ca_file=str(settings.flink_rest_ca_file) if settings.flink_rest_ca_file else None,
        rest_token_file=_private(settings, "flink_rest_token", settings.flink_rest_token.get_secret_value()),
        client_java_home=str(settings.java_home) if settings.java_home else None,
        client_lib_dir=str(settings.flink_lib_dir) if settings.flink_lib_dir else None,
        client_log_dir=str(settings.stack_dir / "log"),
    )


def _client_options(settings: Settings) -> str:
    options = flink_options(settings)
    return json.dumps(options, sort_keys=True) if any(options.values()) else ""


def _private(settings: Settings, name: str, text: str) -> str | None:
    return str(private_file(settings, name, text)) if text else None


def current_version(settings: Settings, parallelism: int | None = None) -> Version:
    """What this code and these settings would run: SQL, the settings that shape it, and the versions of the jars."""
    spec = job_spec(settings)
    spec = replace(spec, parallelism=parallelism or spec.parallelism)
    definition = define(spec)
    return Version(fingerprint(definition, jar_names(spec)), definition, spec.parallelism)


@dataclass(frozen=True)
class StreamingJob(TreatAsResourceParam):
    """The stream, and what may be done with it; each verb is alone at its time, whoever asks.

    Every verb raises TransientError if a server is out of reach or too slow, and ConfigurationError if a setting is
    wrong or the job fails as it starts. `tell` hears each step as it begins.
    """

    settings: Settings
    flink: FlinkResource
    kafka: KafkaResource
    postgres: PostgresResource
    tell: Tell = silent

    def telling(self, tell: Tell) -> StreamingJob:
        """The same, with another listener."""
        return replace(self, tell=tell)

    @property
    def name(self) -> str:
        """Flink's name of the job."""
        return self.settings.flink_job_name

    def record(self) -> JobRecord:
        """What is wanted of the job, and which run of it may write."""
        known = record.read(self.postgres, self.name)
        return known or JobRecord(self.name, "stopped", datetime.now(timezone.utc))

    def version(self) -> Version:
        """What ran last, or else what this code and these settings would run."""
        return self._version(self.record())

    def ensure_running(self) -> Ensured:
        """Adopt the running job, or start it; a job of another version is upgraded to the current one."""
        job_spec(self.settings)  # a wrong setting is told before anything is changed
        with self._alone() as lock:
            self.tell("asking for the job to run")
            record.want(self.postgres, self.name, "running")
            record.set_recovery(self.postgres, self.name)
            known = self.record()
            wanted = current_version(self.settings, known.parallelism)
            if known.fingerprint in (None, wanted.fingerprint):
                return self._ensure(wanted, known, lock)
            return self._upgrade(wanted, known, lock)

    def recover(self) -> Ensured | None:
        """Let what ran before run again; None if the job is not wanted."""
        with self._alone() as lock:
            known = self.record()
            if known.desired != "running":
                return None
            return self._ensure(self._version(known), known, lock)

    def stop(self) -> Stopped | None:
        """Stop the job with a savepoint, and do not want it to run; None if none was active."""
        with self._alone():
            self.tell("asking for the job to stop")
            record.want(self.postgres, self.name, "stopped")
            self.tell("stopping with a savepoint")
            return self.flink.stop(self.name)

    def cancel(self) -> tuple[str, ...]:
        """Cancel the job without a savepoint, and do not want it to run; its checkpoints stay. Returns its id."""
        with self._alone():
            record.want(self.postgres, self.name, "stopped")
            active = tuple(job.id for job in self.flink.client.active_jobs(self.name))
            for job_id in active:
                self.flink.cancel(job_id)
            return active

    def rescale(self, parallelism: int | None) -> Ensured | None:
        """Go on from a savepoint with so many subtasks; None: as the settings say. A stopped job starts so next time.

        Raises:
            ConfigurationError: the cluster has too few slots; nothing was changed.
        """
        before = self.record()
        check_slots(self.flink.client, self.name, parallelism or self.settings.flink_parallelism)
        record.set_parallelism(self.postgres, self.name, parallelism)
        try:
            return self.ensure_running() if before.desired == "running" else None
        except UpgradeRolledBack:
            record.set_parallelism(self.postgres, self.name, before.parallelism)
            raise

    def savepoint(self) -> str:
        """Take a savepoint while the job goes on; returns its URI."""
        with self._alone():
            active = self.flink.client.active_jobs(self.name)
            if len(active) != 1:
                raise ConfigurationError(f"{len(active)} jobs named {self.name} are active: materialise streaming_job")
            return self.flink.savepoint(active[0].id)

    def moves(self, to: str) -> Moves:
        """What a reset would do now; `to`: `earliest`, `latest` or an ISO time."""
        return read_moves(self.kafka, self.settings.kafka_consumer_group, self.settings.kafka_topic, to)

    def reset(self, to: str) -> tuple[Ensured, Moves]:
        """Let the job, as it ran before, start from other offsets; what it left behind is kept, and not resumed from.

        Whatever stops this half-way, the next start goes on with it, or as if it had not begun.
        """
        with self._alone() as lock:
            self.moves(to)  # what cannot be done should show before the job is stopped
            self.tell("stopping with a savepoint")
            self.flink.stop(self.name)
            moves = self.moves(to)
            self.tell(f"resetting to {to}: {in_words(moves)}")
            record.set_reset(self.postgres, self.name, datetime.now(timezone.utc), targets(moves))
            record.want(self.postgres, self.name, "running")
            record.set_recovery(self.postgres, self.name)
            known = self.record()
            return self._ensure(self._version(known), known, lock), moves

    def _ensure(self, version: Version, known: JobRecord, lock: int) -> Ensured:
        self.tell("looking for the job")
        submission = self._submission(version, known, lock)
        return self.flink.ensure_running(_claim(known, version), submission, known.reset_at)

    def _upgrade(self, wanted: Version, known: JobRecord, lock: int) -> Ensured:
        old = self._kept(known)
        self.tell(f"upgrading to version {wanted.fingerprint[:12]}: stopping with a savepoint")
        stopped = self.flink.stop(self.name)
        lost = lost_records(self.settings, self.postgres)
        try:
            ensured = self._ensure(wanted, known, lock)
            self.tell("verifying that rows land and that the ledger balances")
            Trial(self.settings, self.flink, self.kafka, self.postgres, ensured.job_id, lost).verify()
        except Pi3Error as error:
            if old is None:
                raise
            self._roll_back(old, stopped, lock, error)
            raise UpgradeRolledBack(
                f"version {wanted.fingerprint[:12]} of {self.name} did not prove itself, and version "
                f"{old.fingerprint[:12]} runs again from the same savepoint: {error}"
            ) from error
        record.verified(self.postgres, self.name, wanted.fingerprint)
        return ensured

    def _roll_back(self, old: Version, stopped: Stopped | None, lock: int, error: Pi3Error) -> None:
        self.tell(f"rolling back to version {old.fingerprint[:12]}: {error}")
        for job in self.flink.client.active_jobs(self.name):
            self.flink.cancel(job.id)
        # A checkpoint of the rejected version may hold offsets of records that it landed wrongly.
        known = self.record()
        if known.job_id:
            endpoint = self.settings.s3_endpoint_url
            remove_checkpoints(self.settings.flink_state_uri, known.job_id, endpoint=endpoint)
        if stopped and stopped.savepoint_path:
            submission = self._submission(old, known, lock)
            self.flink.start_from(_claim(known, old), submission, stopped.savepoint_path)
        else:
            self._ensure(old, known, lock)

    def _submission(self, version: Version, known: JobRecord, lock: int) -> Submission:
        spec = replace(job_spec(self.settings), parallelism=version.parallelism)
        parts = (self.settings, self.postgres, spec, version, known, lock, self.tell)
        if isinstance(self.flink, OperatedFlinkResource):
            return OperatedSubmission(*parts, flink=self.flink)
        return Submission(*parts)

    def _alone(self) -> AbstractContextManager[int]:
        return exclusive(self.postgres, self.name, self.settings.run_dir)

    def _version(self, known: JobRecord) -> Version:
        return self._kept(known) or current_version(self.settings, known.parallelism)

    def _kept(self, known: JobRecord) -> Version | None:
        return record.version(self.postgres, self.name, known.fingerprint) if known.fingerprint else None


def _claim(known: JobRecord, version: Version) -> Claim:
    return Claim(known.job_name, version.fingerprint, known.job_id, known.epoch)


def _check_jars(folder: Path | None) -> None:
    names = [path.name for path in folder.glob("*.jar")] if folder else []
    missing = [jar for jar in NEEDED_JARS if folder and not any(name.startswith(f"{jar}-") for name in names)]
    if missing:
        raise ConfigurationError(
            f"PI3_FLINK_LIB_DIR {folder} lacks {', '.join(missing)}: `make run` brings them for the local stack, "
            "infra/jars.lock names them for your own cluster"
        )
