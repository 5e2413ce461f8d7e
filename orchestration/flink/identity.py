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
class Claim:
    """What must run: the one job of this name and definition.

    `holder` is the id of the job that alone may write, by a lease that the caller keeps and that has been handed over
    `epoch` times; None where there is no lease, and then the fingerprint alone decides.
    """

    name: str
    fingerprint: str
    holder: str | None = None
    epoch: int = 0


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
class Evict:
    """These run without the lease, so nothing they write is taken: cancel them, then decide again."""

    jobs: tuple[KnownJob, ...]


@dataclass(frozen=True)
class Ambiguous:
    """Several run, and no lease says which is the right one."""

    jobs: tuple[KnownJob, ...]


Decision = Adopt | Submit | Replace | Await | Evict | Ambiguous


def decide(jobs: Sequence[KnownJob], claim: Claim) -> Decision:
    """What to do so that exactly one job of this name and fingerprint runs.

    A job that restarts is adopted: Flink is mending it, and a second one would only compete with it.
    """
    ours = tuple(job for job in jobs if job.summary.name == claim.name and not job.summary.ended)
    if not ours:
        return Submit()
    if intruders := tuple(job for job in ours if claim.holder not in (None, job.summary.id)):
        return Evict(intruders)
    if len(ours) > 1:
        return Ambiguous(ours)
    (job,) = ours
    if job.summary.state in ENDING:
        return Await(job)
    return Adopt(job) if job.fingerprint == claim.fingerprint else Replace(job)


def next_job_id(claim: Claim, restore_path: str | None, past_ids: Iterable[str]) -> str:
    """An id for the next run, 32 hexadecimal digits.

    Two callers that saw the same past compute the same id, so that Flink refuses the second of them.
    """
    seed = "\0".join((claim.name, claim.fingerprint, str(claim.epoch), restore_path or "", *sorted(past_ids)))
    return hashlib.sha256(seed.encode()).hexdigest()[:32]
