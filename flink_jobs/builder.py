"""Turns a `JobSpec` into what Flink is given: settings and SQL statements. Pure, but for reading the SQL templates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import parse_qsl, urlencode

from flink_jobs.spec import JobSpec, jar_names

__all__ = [
    "FINGERPRINT",
    "RESTORE_PATH",
    "JobPlan",
    "build",
    "configuration",
    "fingerprint",
    "job_fingerprint",
    "literal",
]

SQL: Final = Path(__file__).with_name("sql")

# The job parameter, shown by Flink's REST under /jobs/<id>/config, that tells which definition a job runs.
FINGERPRINT: Final = "fingerprint"

RESTORE_PATH: Final = "execution.state-recovery.path"

# Where and how a run is started, and what it resumes from: no part of what the job does.
RUN_KEYS: Final = (
    "$internal.",
    "execution.attached",
    "execution.state-recovery.",
    "execution.target",
    "pipeline.global-job-parameters",
    "pipeline.jars",
    "rest.",
)

# https://jdbc.postgresql.org/documentation/use/#connection-parameters; the spec's URL may overrule these.
JDBC_DEFAULTS: Final = {"connectTimeout": "10", "socketTimeout": "60", "tcpKeepAlive": "true"}
# One statement a batch, and text parameters that Postgres casts to the column's type (produced_at).
JDBC_REQUIRED: Final = {"reWriteBatchedInserts": "true", "stringtype": "unspecified"}


@dataclass(frozen=True)
class JobPlan:
    """All that Flink is given. The statements hold the database password, so they are kept out of `repr`."""

    configuration: Mapping[str, str]
    statements: tuple[str, ...] = field(repr=False)
    insert: str


def build(spec: JobSpec, password: str, jars: Iterable[str] = ()) -> JobPlan:
    """The plan of the job; `jars` are the names of the jars it is planned with."""
    settings = configuration(spec)
    settings["pipeline.global-job-parameters"] = f"{FINGERPRINT}:{fingerprint(spec, jars)}"
    return JobPlan(settings, _tables(spec, password), _template("insert").template)


def job_fingerprint(spec: JobSpec) -> str:
    """The fingerprint of this spec's job, with the jars found in its client's lib folder."""
    return fingerprint(spec, jar_names(spec))


def fingerprint(spec: JobSpec, jars: Iterable[str]) -> str:
    """SHA-256 of what defines the job's behaviour: settings, SQL and jars; not where it runs or resumes, no secret."""
    behaviour = {key: value for key, value in configuration(spec).items() if not key.startswith(RUN_KEYS)}
    content = [behaviour, _tables(spec, password=""), _template("insert").template, sorted(jars)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def configuration(spec: JobSpec) -> dict[str, str]:
    """Flink's settings, https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/deployment/config/."""
    return {
        **_pipeline(spec),
        **_checkpointing(spec),
        **_restarts(spec),
        **_target(spec),
        # The query only appends, and a key stays in its partition and so in its order: no state, no shuffle needed.
        "table.exec.sink.upsert-materialize": "NONE",
        "table.exec.sink.require-on-conflict": "false",
        "table.local-time-zone": "UTC",
    }


def literal(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _pipeline(spec: JobSpec) -> dict[str, str]:
    return {
        "execution.runtime-mode": "STREAMING",
        "parallelism.default": str(spec.parallelism),
        "pipeline.name": spec.job_name,
        "pipeline.object-reuse": "true",
    }


def _checkpointing(spec: JobSpec) -> dict[str, str]:
    state = spec.state_uri.rstrip("/")
    return {
        "execution.checkpointing.dir": f"{state}/checkpoints",
        "execution.checkpointing.savepoint-dir": f"{state}/savepoints",
        "execution.checkpointing.interval": f"{spec.checkpoint_interval_ms} ms",
        "execution.checkpointing.timeout": f"{spec.checkpoint_timeout_ms} ms",
        # A checkpoint waits for the sink's flush: leave the sink time to work between two of them.
        "execution.checkpointing.min-pause": f"{spec.checkpoint_interval_ms // 2} ms",
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "execution.checkpointing.incremental": "true",
        "execution.checkpointing.unaligned.enabled": "false",
        "execution.checkpointing.tolerable-failed-checkpoints": "3",
        # The state is a handful of offsets.
        "state.backend.type": "hashmap",
    }


def _restarts(spec: JobSpec) -> dict[str, str]:
    """Never give up: what a restart cannot mend is seen from outside, and a job that is gone recovers from nothing."""
    prefix = "restart-strategy.exponential-delay"
    return {
        "restart-strategy.type": "exponential-delay",
        f"{prefix}.initial-backoff": f"{spec.restart_initial_ms} ms",
        f"{prefix}.max-backoff": f"{spec.restart_max_ms} ms",
        f"{prefix}.backoff-multiplier": "1.5",
        f"{prefix}.jitter-factor": "0.1",
        f"{prefix}.reset-backoff-threshold": f"{spec.restart_reset_ms} ms",
    }


def _target(spec: JobSpec) -> dict[str, str]:
    settings = {
        "$internal.pipeline.job-id": spec.job_id,
        RESTORE_PATH: spec.restore_path,
        "pipeline.jars": ";".join(Path(jar).as_uri() for jar in spec.jars) or None,
    }
    if spec.rest_address is not None:
        settings |= {
            "execution.attached": "false",
            "execution.target": "remote",
            "rest.address": spec.rest_address,
            "rest.port": str(spec.rest_port),
            # The default, 20 attempts 3 s apart, would keep the caller waiting for a minute.
            "rest.retry.delay": "1 s",
            "rest.retry.max-attempts": "3",
        }
    return {key: value for key, value in settings.items() if value is not None}


def _tables(spec: JobSpec, password: str) -> tuple[str, str]:
    source = _template("source").substitute(
        topic=literal(spec.topic),
        bootstrap_servers=literal(spec.bootstrap_servers),
        consumer_group=literal(spec.consumer_group),
        scan_range=_scan_range(spec),
    )
    sink = _template("sink").substitute(
        jdbc_url=literal(_jdbc_url(spec)),
        table=literal(spec.table),
        jdbc_user=literal(spec.jdbc_user),
        password=literal(password),
        flush_rows=literal(str(spec.sink_flush_rows)),
        flush_interval=literal(f"{spec.sink_flush_interval_ms} ms"),
    )
    return source, sink


def _scan_range(spec: JobSpec) -> str:
    if spec.start_offsets is None:
        return "'scan.startup.mode' = 'group-offsets'"
    options = {"scan.startup.mode": "specific-offsets", "scan.startup.specific-offsets": _offsets(spec.start_offsets)}
    if spec.end_offsets is not None:
        options |= {
            "scan.bounded.mode": "specific-offsets",
            "scan.bounded.specific-offsets": _offsets(spec.end_offsets),
        }
    return ",\n    ".join(f"{literal(key)} = {literal(value)}" for key, value in options.items())


def _offsets(offsets: Mapping[int, int]) -> str:
    return ";".join(f"partition:{partition},offset:{offset}" for partition, offset in sorted(offsets.items()))


def _jdbc_url(spec: JobSpec) -> str:
    address, _, query = spec.jdbc_url.partition("?")
    options = {**JDBC_DEFAULTS, "ApplicationName": spec.job_name, **dict(parse_qsl(query)), **JDBC_REQUIRED}
    return f"{address}?{urlencode(options)}"


def _template(name: str) -> Template:
    """A statement less its comments: those are for readers of the file, and are no part of the fingerprint."""
    lines = (SQL / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    return Template("\n".join(line for line in lines if not line.lstrip().startswith("--")))
