"""Which savepoints and checkpoints are needed no more: a pure choice, and its execution."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from orchestration.flink.restore import (
    RestorePoint,
    as_listed,
    checkpointed_jobs,
    remove_checkpoints,
    remove_savepoint,
    restore_points,
)
from orchestration.lifecycle.locks import exclusive
from orchestration.streaming_job import StreamingJob

# The newest restore point may be one that Flink cannot read.
POINTS_KEPT: Final = 2


@dataclass(frozen=True)
class Needed:
    """`jobs`: ids of those whose checkpoints are theirs: they run, or hold the writer lease, `holder` being the last.

    `restored_from`: what the holder resumed from, to which Flink goes back until the holder has a checkpoint. Of
    restore points that are not younger than `since` nothing is resumed.
    """

    savepoints: int
    jobs: frozenset[str] = frozenset()
    holder: str | None = None
    restored_from: str | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class Superseded:
    """`savepoints` are URIs, `checkpoints` the ids of jobs that are over."""

    savepoints: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """How many folders those are."""
        return len(self.savepoints) + len(self.checkpoints)


def superseded(points: Iterable[RestorePoint], folders: Iterable[str], needed: Needed) -> Superseded:
    """What may be deleted; `folders` are the ids of all jobs that have a folder for checkpoints."""
    newest_first = sorted(points, key=lambda point: point.created_at, reverse=True)
    usable = [point for point in newest_first if needed.since is None or point.created_at > needed.since]
    savepoints = [point for point in newest_first if point.kind == "savepoint"]
    kept = {point.path for point in (*usable[:POINTS_KEPT], *savepoints[: needed.savepoints])}
    checkpoints = [point for point in newest_first if point.kind == "checkpoint"]
    if needed.restored_from and needed.holder not in {point.job_id for point in checkpoints}:
        kept.add(needed.restored_from)
    busy = needed.jobs | {point.job_id for point in checkpoints if point.path in kept}
    return Superseded(
        tuple(point.path for point in savepoints if point.path not in kept),
        tuple(sorted(set(folders) - busy)),
    )


def prune(stream: StreamingJob) -> Superseded:
    """Delete what is needed no more; returns it.

    Raises:
        TransientError: a server is out of reach, or the job is being launched or stopped for long.
        ConfigurationError: the state is in a place that cannot be searched.
    """
    state_uri, endpoint = stream.settings.flink_state_uri, stream.settings.s3_endpoint_url
    with exclusive(stream.postgres, stream.name, stream.settings.run_dir):
        # The folders first: one that a job makes after this is not among them.
        folders = checkpointed_jobs(state_uri, endpoint=endpoint)
        points = restore_points(state_uri, endpoint=endpoint)
        found = superseded(points, folders, _needed(stream))
        for path in found.savepoints:
            remove_savepoint(path, endpoint=endpoint)
        for job_id in found.checkpoints:
            remove_checkpoints(state_uri, job_id, endpoint=endpoint)
    return found


def _needed(stream: StreamingJob) -> Needed:
    known = stream.record()
    running = {job.id for job in stream.flink.client.jobs() if not job.ended}
    return Needed(
        savepoints=stream.settings.savepoints_kept,
        jobs=frozenset(running | ({known.job_id} if known.job_id else set())),
        holder=known.job_id,
        restored_from=as_listed(known.restored_from) if known.restored_from else None,
        since=known.reset_at,
    )
