"""What a job can be restored from: checkpoints and savepoints in its state folder."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from orchestration.errors import ConfigurationError

# Flink writes this file last: a folder without it is no checkpoint yet, or no longer one.
METADATA: Final = "_metadata"


@dataclass(frozen=True)
class RestorePoint:
    """`path` is the URI to hand to Flink. Of a savepoint's job only the first six digits of the id are known."""

    kind: Literal["checkpoint", "savepoint"]
    path: str
    created_at: datetime
    job_id: str


def restore_points(state_uri: str, since: datetime | None = None) -> tuple[RestorePoint, ...]:
    """All restore points under `<state_uri>/checkpoints` and `<state_uri>/savepoints`, newest first.

    `since` leaves out those that are older.

    Raises: ConfigurationError for a state that is not in a local folder.
    """
    folder = local_folder(state_uri)
    checkpoints = [_point(path, "checkpoint") for path in folder.glob(f"checkpoints/*/chk-*/{METADATA}")]
    savepoints = [_point(path, "savepoint") for path in folder.glob(f"savepoints/savepoint-*/{METADATA}")]
    found = (point for point in checkpoints + savepoints if point and (since is None or point.created_at > since))
    return tuple(sorted(found, key=lambda point: point.created_at, reverse=True))


def newest_usable(points: Iterable[RestorePoint], excluded: Collection[str] = ()) -> RestorePoint | None:
    """The newest point whose path is not excluded."""
    usable = (point for point in points if point.path not in excluded)
    return max(usable, key=lambda point: point.created_at, default=None)


def remove_checkpoints(state_uri: str, job_id: str) -> None:
    """Delete what is left of a job's checkpoints, so that nothing resumes from them.

    Raises: ConfigurationError for a state that is not in a local folder.
    """
    shutil.rmtree(local_folder(state_uri) / "checkpoints" / job_id, ignore_errors=True)


def remove_savepoint(path: str) -> None:
    """Delete a savepoint by its URI; its metadata goes first, so that nobody takes what is left for a savepoint.

    Raises: ConfigurationError for a savepoint that is not in a local folder.
    """
    folder = local_folder(path)
    (folder / METADATA).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def checkpointed_jobs(state_uri: str) -> frozenset[str]:
    """Ids of the jobs that have a folder for checkpoints, with or without any in it.

    Raises: ConfigurationError for a state that is not in a local folder.
    """
    return frozenset(path.name for path in local_folder(state_uri).glob("checkpoints/*") if path.is_dir())


def size_bytes(path: str) -> int:
    """Bytes in a restore point's folder, by its URI.

    Raises: ConfigurationError for one that is not in a local folder.
    """
    return sum(file.stat().st_size for file in local_folder(path).rglob("*") if file.is_file())


def local_folder(state_uri: str) -> Path:
    """The folder of a `file:` URI; Flink takes the text after the scheme as it stands, without percent-decoding.

    Raises: ConfigurationError for any other scheme.
    """
    parts = urlsplit(state_uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise ConfigurationError(f"state {state_uri}: only a file:/// folder can be searched for restore points")
    return Path(parts.path)


def _point(metadata: Path, kind: Literal["checkpoint", "savepoint"]) -> RestorePoint | None:
    try:
        created_at = datetime.fromtimestamp(metadata.stat().st_mtime, tz=timezone.utc)
    except FileNotFoundError:  # subsumed by a newer checkpoint since it was listed
        return None
    folder = metadata.parent
    job_id = folder.parent.name if kind == "checkpoint" else folder.name.split("-")[1]
    return RestorePoint(kind, f"file://{folder}", created_at, job_id)
