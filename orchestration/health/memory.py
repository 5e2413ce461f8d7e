"""The memory between two diagnoses, kept in Dagster's storage: the heartbeat and the runs of the check share it."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg
from pydantic import TypeAdapter, ValidationError

from orchestration.health.diagnosis import Diagnosis, Memory
from orchestration.verdicts import Severity


@dataclass(frozen=True)
class Told:
    """The verdict that was reported last, and when (Unix seconds)."""

    cause: str
    ok: bool
    severity: Severity
    at_s: float

    @classmethod
    def of(cls, diagnosis: Diagnosis, at_s: float) -> Told:
        """A diagnosis that is being reported."""
        return cls(diagnosis.cause.value, diagnosis.ok, diagnosis.severity, at_s)

    def repeats(self, other: Told) -> bool:
        """Whether the other says the same; of a verdict that is ok the severity means nothing."""
        return (self.cause, self.ok, self.ok or self.severity) == (other.cause, other.ok, other.ok or other.severity)


@dataclass(frozen=True)
class Kept:
    """What is kept: the memory of the diagnosis, and what was told of it."""

    memory: Memory
    told: Told | None = None


_ADAPTER = TypeAdapter(Kept)


def load(instance: dg.DagsterInstance, job_name: str) -> Kept | None:
    """What was kept last; None if there is nothing, or if another version wrote it: health can be learnt anew."""
    key = _key(job_name)
    text = instance.daemon_cursor_storage.get_cursor_values({key}).get(key)
    return parse(text) if text else None


def parse(text: str) -> Kept | None:
    """What `dump` wrote; None if something else did."""
    try:
        return _ADAPTER.validate_json(text)
    except ValidationError:
        return None


def dump(kept: Kept) -> str:
    """As JSON."""
    return _ADAPTER.dump_json(kept).decode()


def keep(instance: dg.DagsterInstance, job_name: str, kept: Kept) -> None:
    """Keep it for the next diagnosis, whoever makes it."""
    instance.daemon_cursor_storage.set_cursor_values({_key(job_name): dump(kept)})


def _key(job_name: str) -> str:
    return f"pi3/health/{job_name}"
