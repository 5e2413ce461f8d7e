"""Restore points in a state folder laid out as Flink does."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from orchestration.errors import ConfigurationError
from orchestration.flink.restore import RestorePoint, as_listed, newest_usable, restore_points
from orchestration.flink.storage import LocalFolder, state_folder

JOB = "0123456789abcdef0123456789abcdef"


def saved(folder: Path, at_s: int, *, complete: bool = True) -> Path:
    """A checkpoint or savepoint; an incomplete one has data but no metadata."""
    folder.mkdir(parents=True)
    name = "_metadata" if complete else "part-1"
    (folder / name).write_bytes(b"x")
    os.utime(folder / name, (at_s, at_s))
    return folder


def test_points_are_listed_newest_first(tmp_path: Path) -> None:
    state = tmp_path / "a state"
    first = saved(state / "checkpoints" / JOB / "chk-9", 100)
    second = saved(state / "savepoints" / "savepoint-012345-943be32dfbdb", 200)
    third = saved(state / "checkpoints" / ("f" * 32) / "chk-2", 300)
    saved(state / "checkpoints" / JOB / "chk-10", 400, complete=False)
    (state / "checkpoints" / JOB / "shared").mkdir()
    points = restore_points(f"file://{state}")
    assert [(point.kind, point.path, point.job_id) for point in points] == [
        ("checkpoint", f"file://{third}", "f" * 32),
        ("savepoint", f"file://{second}", "012345"),
        ("checkpoint", f"file://{first}", JOB),
    ]
    assert points[1].created_at == datetime.fromtimestamp(200, tz=timezone.utc)


def test_no_folder_no_points(tmp_path: Path) -> None:
    assert restore_points(f"file://{tmp_path}/none") == ()


@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("file:///var/state", "/var/state"),
        ("file:/var/state", "/var/state"),
        ("file:///my clone/state", "/my clone/state"),
        ("file:///my%20clone/state", "/my%20clone/state"),
    ],
)
def test_a_local_uri_is_read_as_flink_reads_it(uri: str, folder: str) -> None:
    assert state_folder(uri) == LocalFolder(Path(folder))
    assert as_listed(uri) == f"file://{folder}"


@pytest.mark.parametrize("uri", ["s3:///state", "hdfs://node/state", "file://other-host/state", "/var/state"])
def test_other_places_cannot_be_searched(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="only a file:/// folder, or one in a bucket"):
        restore_points(uri)


def point(path: str, at_s: int) -> RestorePoint:
    """A checkpoint."""
    return RestorePoint("checkpoint", path, datetime.fromtimestamp(at_s, tz=timezone.utc), JOB)


@pytest.mark.parametrize(
    ("points", "excluded", "chosen"),
    [
        ([], (), None),
        ([("a", 1)], (), "a"),
        ([("a", 1), ("b", 2)], (), "b"),
        ([("b", 2), ("a", 1)], ("b",), "a"),
        ([("a", 1), ("b", 2)], ("a", "b"), None),
    ],
)
def test_newest_usable(points: list[tuple[str, int]], excluded: tuple[str, ...], chosen: str | None) -> None:
    found = newest_usable([point(*item) for item in points], excluded)
    assert (found.path if found else None) == chosen
