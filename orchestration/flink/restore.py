"""What a job can be restored from: checkpoints and savepoints in its state folder."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from orchestration.flink.storage import StoredFile, state_folder

# Flink writes this file last: a folder without it is no checkpoint yet, or no longer one.
METADATA: Final = "_metadata"
CHECKPOINT: Final = re.compile(rf"(?P<folder>checkpoints/(?P<job_id>[^/]+)/chk-[^/]+)/{METADATA}")
SAVEPOINT: Final = re.compile(rf"(?P<folder>savepoints/savepoint-(?P<job_id>[^/-]*)[^/]*)/{METADATA}")


@dataclass(frozen=True)
class RestorePoint:
    """`path` is the URI to hand to Flink. Of a savepoint's job only the first six digits of the id are known."""

    kind: Literal["checkpoint", "savepoint"]
    path: str
    created_at: datetime
    job_id: str


def restore_points(
    state_uri: str, since: datetime | None = None, *, endpoint: str | None = None
) -> tuple[RestorePoint, ...]:
    """All restore points under `<state_uri>/checkpoints` and `<state_uri>/savepoints`, newest first.

    `since` leaves out those that are older. `endpoint`, here and below: see `state_folder`.

    Raises:
        ConfigurationError: the state is in a place that cannot be searched.
        TransientError: that place is out of reach.
    """
    state = state_folder(state_uri, endpoint)
    files = (*state.files("checkpoints"), *state.files("savepoints"))
    found = (point for point in (_point(state.uri, file) for file in files) if point)
    younger = (point for point in found if since is None or point.created_at > since)
    return tuple(sorted(younger, key=lambda point: point.created_at, reverse=True))


def newest_usable(points: Iterable[RestorePoint], excluded: Collection[str] = ()) -> RestorePoint | None:
    """The newest point whose path is not excluded."""
    usable = (point for point in points if point.path not in excluded)
    return max(usable, key=lambda point: point.created_at, default=None)


def remove_checkpoints(state_uri: str, job_id: str, *, endpoint: str | None = None) -> None:
    """Delete what is left of a job's checkpoints, so that nothing resumes from them; raises as `restore_points`."""
    state_folder(state_uri, endpoint).remove(f"checkpoints/{job_id}")


def remove_savepoint(path: str, *, endpoint: str | None = None) -> None:
    """Delete a savepoint by its URI; its metadata goes first, so that nobody takes what is left for a savepoint.

    Raises as `restore_points`.
    """
    folder = state_folder(path, endpoint)
    folder.remove(METADATA)
    folder.remove()


def checkpointed_jobs(state_uri: str, *, endpoint: str | None = None) -> frozenset[str]:
    """Ids of the jobs that have a folder for checkpoints, with or without any in it; raises as `restore_points`."""
    return state_folder(state_uri, endpoint).subfolders("checkpoints")


def size_bytes(path: str, *, endpoint: str | None = None) -> int:
    """Bytes in a restore point's folder, by its URI; raises as `restore_points`."""
    return sum(file.size_bytes for file in state_folder(path, endpoint).files())


def as_listed(path: str) -> str:
    """The URI of a restore point as `restore_points` has it: Flink tells `file:/path` for `file:///path`."""
    return state_folder(path).uri


def _point(folder: str, file: StoredFile) -> RestorePoint | None:
    patterns: tuple[tuple[Literal["checkpoint", "savepoint"], re.Pattern[str]], ...]
    patterns = (("checkpoint", CHECKPOINT), ("savepoint", SAVEPOINT))
    for kind, pattern in patterns:
        if found := pattern.fullmatch(file.path):
            return RestorePoint(kind, f"{folder}/{found['folder']}", file.written_at, found["job_id"])
    return None
