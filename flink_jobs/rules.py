"""What a job spec must satisfy, apart from the spec itself: a rule is a sentence and what it demands."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, get_type_hints

if TYPE_CHECKING:
    from flink_jobs.spec import JobSpec

JOB_ID: Final = re.compile(r"[0-9a-f]{32}")
# Names that need no quotes, so that every tool writes them alike.
TABLE: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?")


def faults(spec: JobSpec) -> list[str]:
    """Every fault of the spec, as clauses of one sentence; wrong types come first, for no rule can judge those."""
    return _type_faults(spec) or [rule for rule, holds in RULES.items() if not holds(spec)]


def _type_faults(spec: JobSpec) -> list[str]:
    hints = get_type_hints(type(spec))
    return [
        f"{name} must be {TYPES[hint][0]}" for name, hint in hints.items() if not TYPES[hint][1](getattr(spec, name))
    ]


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_texts(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) for item in value)


def _is_offsets(value: object) -> bool:
    return isinstance(value, Mapping) and all(_is_int(n) and n >= 0 for pair in value.items() for n in pair)


TYPES: Final[Mapping[Any, tuple[str, Callable[[Any], bool]]]] = {
    str: ("a text", lambda value: isinstance(value, str)),
    str | None: ("a text or null", lambda value: value is None or isinstance(value, str)),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("a whole number", _is_int),
    int | None: ("a whole number or null", lambda value: value is None or _is_int(value)),
    tuple[str, ...]: ("a list of texts", _is_texts),
    Mapping[int, int] | None: (
        "an object from partition to offset, or null",
        lambda value: value is None or _is_offsets(value),
    ),
}

RULES: Final[Mapping[str, Callable[[JobSpec], bool]]] = {
    "job_name, bootstrap_servers, topic, consumer_group, jdbc_user and password_file must not be empty": lambda s: all(
        (s.job_name, s.bootstrap_servers, s.topic, s.consumer_group, s.jdbc_user, s.password_file)
    ),
    "job_name must have at most 50 letters, digits, dots, dashes and underscores": lambda s: bool(
        re.fullmatch(r"[\w.-]{1,50}", s.job_name, re.ASCII)
    ),
    "jdbc_url must start with jdbc:postgresql:// and hold neither user nor password": lambda s: (
        s.jdbc_url.startswith("jdbc:postgresql://") and not re.search(r"[?&](user|password)=", s.jdbc_url)
    ),
    "table must be a lower-case name, or schema.name": lambda s: bool(TABLE.fullmatch(s.table)),
    "state_uri must be a URI such as file:///var/flink or s3://bucket/flink": lambda s: "://" in s.state_uri,
    "parallelism, intervals, timeouts and sink_flush_rows must be at least 1": lambda s: (
        min(
            *(s.parallelism, s.sink_flush_rows, s.sink_flush_interval_ms),
            *(s.checkpoint_interval_ms, s.checkpoint_timeout_ms),
            *(s.restart_initial_ms, s.restart_max_ms, s.restart_reset_ms),
        )
        >= 1
    ),
    "restart_max_ms must not be below restart_initial_ms": lambda s: s.restart_max_ms >= s.restart_initial_ms,
    "rest_address and rest_port go together": lambda s: (s.rest_address is None) == (s.rest_port is None),
    "rest_port must be 1 to 65535": lambda s: s.rest_port is None or 0 < s.rest_port < 65536,
    "job_id must be 32 lower-case hexadecimal digits": lambda s: s.job_id is None or bool(JOB_ID.fullmatch(s.job_id)),
    "start_offsets must name at least one partition": lambda s: s.start_offsets is None or bool(s.start_offsets),
    "end_offsets needs start_offsets for the same partitions, none above its end": lambda s: (
        s.end_offsets is None
        or (
            s.start_offsets is not None
            and s.start_offsets.keys() == s.end_offsets.keys()
            and all(start <= s.end_offsets[partition] for partition, start in s.start_offsets.items())
        )
    ),
    "start_offsets and restore_path exclude each other: a restored job resumes at its checkpoint": lambda s: (
        s.start_offsets is None or s.restore_path is None
    ),
}
