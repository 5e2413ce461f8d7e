"""Which job is ours, and what to do about it: pure decisions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestration.flink.types import ENDING, JobSummary


@dataclass(frozen=True)
class KnownJob:
    """A job and the fingerprint among its parameters; None if it was started by other means."""

    summary: JobSummary
    fingerprint: str | None


@dataclass(frozen=True)
class Adopt:
    """It runs already, as wanted."""

    job: KnownJob


@dataclass(frozen=True)
class Submit:
    """None runs."""


@dataclass(frozen=True)
class Replace:
    """One runs that is defined differently: stop it, and let the new one resume where it stopped."""

    job: KnownJob


@dataclass(frozen=True)
class Await:
    """One is about to end: only then can be decided."""

    job: KnownJob


@dataclass(frozen=True)
class Ambiguous:
    """Several run."""

    jobs: tuple[KnownJob, ...]


Decision = Adopt | Submit | Replace | Await | Ambiguous


def decide(jobs: Sequence[KnownJob], name: str, fingerprint: str) -> Decision:
    """What to do so that exactly one job of this name and fingerprint runs.

    A job that restarts is adopted: Flink is mending it, and a second one would only compete with it.
    """
    ours = tuple(job for job in jobs if job.summary.name == name and not job.summary.ended)
    if not ours:
        return Submit()
    if len(ours) > 1:
        return Ambiguous(ours)
    (job,) = ours
    if job.summary.state in ENDING:
        return Await(job)
    return Adopt(job) if job.fingerprint == fingerprint else Replace(job)


def next_job_id(name: str, fingerprint: str, restore_path: str | None, past_ids: Iterable[str]) -> str:
    """An id for the next run, 32 hexadecimal digits.

    Two callers that saw the same past compute the same id, so that Flink refuses the second of them.
    """
    seed = "\0".join((name, fingerprint, restore_path or "", *sorted(past_ids)))
    return hashlib.sha256(seed.encode()).hexdigest()[:32]
