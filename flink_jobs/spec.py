"""What one run of the job needs, as one JSON file that the control plane writes and `flink_jobs.main` reads."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from flink_jobs.rules import faults

__all__ = ["JobSpec", "JobSpecError", "jar_names", "read_options", "read_password", "read_token"]


class JobSpecError(ValueError):
    """The spec, or a file that it names, is wrong; the message names the field and the fix."""


@dataclass(frozen=True)
class JobSpec:
    """One run of the job. Paths are absolute; URIs are Flink's (`file:///...`, `s3://...`).

    `rest_address` and `rest_port` None: an embedded cluster within the client, for trying things out in an IDE.
    `jars`: connector jars to ship with the job; empty when the cluster has them in its own lib folder.
    `job_id`: 32 hexadecimal digits; a cluster that already ran a job of this id refuses a second.
    `writer_epoch`: number of the lease under which the run writes; None for a table that asks for none.
    `definition_file`: JSON of the `builder.Definition` to run; None: the one of this code and these settings.
    `fingerprint`: by which the run is known; None: computed from definition and jars.
    `restore_path`: checkpoint or savepoint to resume from; None starts from the group's offsets, or else the earliest.
    `start_offsets`, `end_offsets`: by partition, first offset to read and first not to read. Given both, the job reads
    that range, commits no offsets and finishes, which is how a range is replayed.
    `password_file`: mode 0600, holds the password of `jdbc_user`; a trailing newline is ignored.
    `options_file`: mode 0600, JSON with options of the clients, by `kafka` and `postgres`, as the Java ones name them.
    `rest_tls`, `rest_path`, `rest_ca_file`, `rest_token_file`: the cluster is behind TLS, under a path, its certificate
    is signed by a CA of one's own (PEM), and asks for a bearer token (mode 0600). None: it is not, or does not.
    `client_*`: where the submitting JVM is found, with which jars it plans, and where it logs. None: PyFlink's own.
    """

    job_name: str
    bootstrap_servers: str
    topic: str
    consumer_group: str
    jdbc_url: str
    jdbc_user: str
    password_file: str
    table: str
    state_uri: str
    options_file: str | None = None
    parallelism: int = 1
    checkpoint_interval_ms: int = 5_000
    checkpoint_timeout_ms: int = 60_000
    sink_flush_rows: int = 2_048
    sink_flush_interval_ms: int = 50
    restart_initial_ms: int = 1_000
    restart_max_ms: int = 10_000
    restart_reset_ms: int = 120_000
    rest_address: str | None = None
    rest_port: int | None = None
    rest_tls: bool = False
    rest_path: str | None = None
    rest_ca_file: str | None = None
    rest_token_file: str | None = None
    jars: tuple[str, ...] = ()
    job_id: str | None = None
    writer_epoch: int | None = None
    definition_file: str | None = None
    fingerprint: str | None = None
    restore_path: str | None = None
    start_offsets: Mapping[int, int] | None = None
    end_offsets: Mapping[int, int] | None = None
    client_java_home: str | None = None
    client_lib_dir: str | None = None
    client_log_dir: str | None = None

    def __post_init__(self) -> None:
        """Raises: JobSpecError, which lists every fault at once."""
        if found := faults(self):
            raise JobSpecError("job spec: " + "; ".join(found))

    def to_json(self) -> str:
        """The spec as JSON text; it holds no secret."""
        return json.dumps(asdict(self), indent=2, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> JobSpec:
        """Raises: JobSpecError for bad JSON, an unknown, missing or malformed field."""
        try:
            raw = json.loads(text)
        except json.JSONDecodeError as error:
            raise JobSpecError(f"job spec: not JSON: {error}") from error
        if not isinstance(raw, dict):
            raise JobSpecError("job spec: must be one JSON object")
        known = {field.name for field in fields(cls)}
        if unknown := sorted(raw.keys() - known):
            raise JobSpecError(f"job spec: unknown fields {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        try:
            return cls(**{name: _from_json(name, value) for name, value in raw.items()})
        except TypeError as error:
            raise JobSpecError(f"job spec: {error}") from error

    def write(self, path: Path) -> None:
        """Write the spec so that a reader never sees half of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(path.name + ".new")
        draft.write_text(self.to_json() + "\n", encoding="utf-8")
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> JobSpec:
        """Raises: JobSpecError, also when the file cannot be read."""
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise JobSpecError(f"job spec {path}: {error.strerror}; name another one with --spec") from error


def read_password(spec: JobSpec) -> str:
    """Raises: JobSpecError when the file is missing, empty, or open to others than its owner."""
    if password := _read_private("password_file", spec.password_file):
        return password
    raise JobSpecError(f"password_file {spec.password_file}: is empty; write the password of {spec.jdbc_user} into it")


def read_token(spec: JobSpec) -> str | None:
    """Raises: JobSpecError when the file is missing, or open to others than its owner."""
    return _read_private("rest_token_file", spec.rest_token_file) if spec.rest_token_file else None


def read_options(spec: JobSpec) -> dict[str, dict[str, str]]:
    """Raises: JobSpecError when the file is missing, open to others than its owner, or no JSON."""
    if spec.options_file is None:
        return {}
    text = _read_private("options_file", spec.options_file)
    try:
        return dict(json.loads(text))
    except (TypeError, ValueError) as error:
        raise JobSpecError(f"options_file {spec.options_file}: should be JSON, by kafka and postgres") from error


def _read_private(name: str, path: str) -> str:
    try:
        mode = Path(path).stat().st_mode
        text = Path(path).read_text(encoding="utf-8").removesuffix("\n")
    except OSError as error:
        raise JobSpecError(f"{name} {path}: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise JobSpecError(f"{name} {path}: readable by others; run chmod 600 on it")
    return text


def jar_names(spec: JobSpec) -> list[str]:
    """File names of the jars that the job is planned with, sorted: those of the client's lib folder and its own."""
    own = Path(spec.client_lib_dir).glob("*.jar") if spec.client_lib_dir else ()
    return sorted({jar.name for jar in own} | {Path(jar).name for jar in spec.jars})


def _from_json(name: str, value: Any) -> Any:  # noqa: ANN401 - as json gives it
    if name == "jars" and isinstance(value, list):
        return tuple(value)
    if name.endswith("_offsets") and isinstance(value, dict):
        return {int(key) if key.isdecimal() else key: offset for key, offset in value.items()}
    return value
