"""Which job is ours? A job is known by its name and by the fingerprint of what it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.flink.types import JobSummary


@dataclass(frozen=True)
class Adopt:
    """A job of our name and fingerprint is there: leave it alone."""

    job: JobSummary


@dataclass(frozen=True)
class Submit:
    """No job of our name is active: submit one."""


@dataclass(frozen=True)
class Replace:
    """A job of our name runs something else: stop it with a savepoint and submit ours from there."""

    old: JobSummary


@dataclass(frozen=True)
class Ambiguous:
    """Several jobs of our name are active, which must never be: somebody has to look."""

    jobs: tuple[JobSummary, ...]


def decide(active: Sequence[JobSummary], fingerprint: str) -> Adopt | Submit | Replace | Ambiguous:
    """Decide from the active jobs of our name what ensuring one means."""
    if len(active) > 1:
        return Ambiguous(tuple(active))
    if not active:
        return Submit()
    return Adopt(active[0]) if active[0].fingerprint == fingerprint else Replace(active[0])
