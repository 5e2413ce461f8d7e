"""Restore points: the checkpoints and savepoints that a job left below its state folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from orchestration.errors import ConfigurationError

METADATA = "_metadata"


@dataclass(frozen=True)
class RestorePoint:
    """A state that a job can start from; `created_at_s` is the epoch time at which its metadata was written."""

    kind: str
    path: str
    created_at_s: float
    bytes: int


def restore_points(state_uri: str) -> list[RestorePoint]:
    """Every checkpoint and savepoint below a `file:` URI that has its metadata, the newest first.

    A folder without `_metadata` was never completed and is no restore point.

    Raises:
        ConfigurationError: the URI is not a local one.
    """
    root = local_path(state_uri)
    found = [
        *(_point("checkpoint", path) for path in root.glob(f"checkpoints/*/chk-*/{METADATA}")),
        *(_point("savepoint", path) for path in root.glob(f"savepoints/*/{METADATA}")),
    ]
    return sorted(found, key=lambda point: point.created_at_s, reverse=True)


def newest_usable(points: Iterable[RestorePoint], excluded: frozenset[str] = frozenset()) -> RestorePoint | None:
    """The newest restore point that is not excluded and whose metadata is not empty."""
    usable = [point for point in points if point.path not in excluded and point.bytes > 0]
    return max(usable, key=lambda point: point.created_at_s, default=None)


def local_path(uri: str) -> Path:
    """The folder that a `file:` URI names.

    Raises:
        ConfigurationError: the URI has another scheme.
    """
    parts = urlsplit(uri)
    if parts.scheme != "file":
        raise ConfigurationError(f"PI3_FLINK_STATE_URI is {uri}: restore points are looked up in file:///... only")
    return Path(unquote(parts.path))


def _point(kind: str, metadata: Path) -> RestorePoint:
    status = metadata.stat()
    return RestorePoint(kind, metadata.parent.as_uri(), status.st_mtime, status.st_size)
