"""Turns a `JobSpec` into what Flink is given: settings and SQL statements. Pure, but for reading the SQL templates.

In two steps: `define` says what the job does, and `build` binds that to one run. A definition can be kept, so that a
job runs again as it was although the code has changed since.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from string import Template
from typing import Final
from urllib.parse import parse_qsl, urlencode

from flink_jobs.spec import JobSpec

__all__ = [
    "FINGERPRINT",
    "RESTORE_PATH",
    "Definition",
    "JobPlan",
    "build",
    "configuration",
    "define",
    "fingerprint",
    "literal",
    "template",
    "writer_name",
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
    "security.ssl.",
)

# https://jdbc.postgresql.org/documentation/use/#connection-parameters; the spec's URL may overrule these.
JDBC_DEFAULTS: Final = {"connectTimeout": "10", "socketTimeout": "60", "tcpKeepAlive": "true"}


NO_OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {}


@dataclass(frozen=True)
class Definition:
    """What a job does, in whichever run: no secret, no address of the cluster, nothing to resume from.

    `source` and `sink` are templates of statements with `$scan_range`, `$application_name` and `$password` left open.
    """

    settings: Mapping[str, str]
    source: str
    sink: str
    insert: str

    def to_json(self) -> str:
        """The definition as JSON text; equal ones give equal texts."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Definition:
        """What `to_json` wrote.

        Raises: ValueError, TypeError.
        """
        return cls(**json.loads(text))


@dataclass(frozen=True)
class JobPlan:
    """All that Flink is given. The statements hold the database password, so they are kept out of `repr`."""

    configuration: Mapping[str, str]
    statements: tuple[str, ...] = field(repr=False)
    insert: str


def define(spec: JobSpec) -> Definition:
    """What this code's job does with these settings."""
    settings = {key: value for key, value in configuration(spec).items() if not key.startswith(RUN_KEYS)}
    return Definition(settings, _source(spec), _sink(spec), template("insert").template)


def fingerprint(definition: Definition, jars: Iterable[str]) -> str:
    """SHA-256 of the definition and the names of the jars."""
    return hashlib.sha256(json.dumps([asdict(definition), sorted(jars)], sort_keys=True).encode()).hexdigest()


def build(
    spec: JobSpec,
    password: str,
    jars: Iterable[str] = (),
    definition: Definition | None = None,
    options: Mapping[str, Mapping[str, str]] = NO_OPTIONS,
) -> JobPlan:
    """The plan of one run; `jars` are the names of the jars it is planned with. None defines it as this code would.

    `options` of the clients, by `kafka` and `postgres`, are the run's alone: a certificate that has moved, or another
    password, makes no other job, and a version that is kept is let in as things are now.
    """
    definition = definition or define(spec)
    run = {key: value for key, value in configuration(spec).items() if key.startswith(RUN_KEYS)}
    run["pipeline.global-job-parameters"] = f"{FINGERPRINT}:{spec.fingerprint or fingerprint(definition, jars)}"
    properties = {f"properties.{name}": value for name, value in options.get("kafka", {}).items()}
    source = Template(definition.source).substitute(scan_range=_assigned({**_scan_range(spec), **properties}))
    # The driver takes the last of two equal names, so the options win over what the address has already; but the name
    # is the run's own, by which the writer lease knows it.
    last = {**options.get("postgres", {}), "ApplicationName": writer_name(spec)}
    name = urlencode(last).replace("'", "''")
    sink = Template(definition.sink).substitute(application_name=name, password=literal(password))
    return JobPlan({**definition.settings, **run}, (source, sink), definition.insert)


def writer_name(spec: JobSpec) -> str:
    """By which Postgres knows the run's sessions: `<job name>#<epoch>`, or the job's name for a run without a lease."""
    return spec.job_name if spec.writer_epoch is None else f"{spec.job_name}#{spec.writer_epoch}"


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
        # Nobody waits for a watermark, and each subtask would wake five times a second to send one.
        "pipeline.auto-watermark-interval": "0 ms",
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
        # A newest one that cannot be read then costs some seconds of reading again, and not all since a savepoint.
        "execution.checkpointing.num-retained": "3",
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
            "rest.path": spec.rest_path,
            "security.ssl.rest.enabled": "true" if spec.rest_tls else None,
            # The default, 20 attempts 3 s apart, would keep the caller waiting for a minute.
            "rest.retry.delay": "1 s",
            "rest.retry.max-attempts": "3",
        }
    return {key: value for key, value in settings.items() if value is not None}


def _source(spec: JobSpec) -> str:
    return template("source").safe_substitute(
        topic=_escaped(literal(spec.topic)),
        bootstrap_servers=_escaped(literal(spec.bootstrap_servers)),
        consumer_group=_escaped(literal(spec.consumer_group)),
    )


def _sink(spec: JobSpec) -> str:
    return template("sink").safe_substitute(
        jdbc_url=_escaped(literal(_jdbc_url(spec)))[:-1] + "&$application_name'",
        table=_escaped(literal(spec.table)),
        jdbc_user=_escaped(literal(spec.jdbc_user)),
        flush_rows=literal(str(spec.sink_flush_rows)),
        flush_interval=literal(f"{spec.sink_flush_interval_ms} ms"),
    )


def _escaped(text: str) -> str:
    """For a template that is filled in once more."""
    return text.replace("$", "$$")


def _scan_range(spec: JobSpec) -> dict[str, str]:
    if spec.start_offsets is None:
        return {"scan.startup.mode": "group-offsets"}
    options = {"scan.startup.mode": "specific-offsets", "scan.startup.specific-offsets": _offsets(spec.start_offsets)}
    if spec.end_offsets is not None:
        options |= {
            "scan.bounded.mode": "specific-offsets",
            "scan.bounded.specific-offsets": _offsets(spec.end_offsets),
            # A replay must not move the group, whose offsets are the stream's.
            "properties.commit.offsets.on.checkpoint": "false",
        }
    return options


def _assigned(options: Mapping[str, str]) -> str:
    return ",\n    ".join(f"{literal(key)} = {literal(value)}" for key, value in options.items())


def _offsets(offsets: Mapping[int, int]) -> str:
    return ";".join(f"partition:{partition},offset:{offset}" for partition, offset in sorted(offsets.items()))


def _jdbc_url(spec: JobSpec) -> str:
    address, _, query = spec.jdbc_url.partition("?")
    options = {**JDBC_DEFAULTS, **dict(parse_qsl(query))}
    options.pop("ApplicationName", None)  # the run's own, by which the writer lease knows it
    return f"{address}?{urlencode(options)}"


def template(name: str) -> Template:
    """A statement less its comments: those are for readers of the file, and are no part of the fingerprint."""
    lines = (SQL / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    return Template("\n".join(line for line in lines if not line.lstrip().startswith("--")))
