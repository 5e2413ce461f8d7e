"""Which restore points may be deleted."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from orchestration.flink.restore import RestorePoint, checkpointed_jobs, remove_savepoint, restore_points, size_bytes
from orchestration.lifecycle.retention import Needed, Superseded, superseded
from tests.unit.test_flink_restore import saved

RUNNING, DEAD, OLDER = "a" * 32, "b" * 32, "c" * 32


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, tz=timezone.utc)


def checkpoint(job_id: str, second: int) -> RestorePoint:
    return RestorePoint("checkpoint", f"file:///s/checkpoints/{job_id}/chk-{second}", at(second), job_id)


def savepoint(second: int) -> RestorePoint:
    return RestorePoint("savepoint", f"file:///s/savepoints/savepoint-{second}", at(second), "aaaaaa")


def paths(*seconds: int) -> tuple[str, ...]:
    return tuple(savepoint(second).path for second in seconds)


def needed(savepoints: int = 2, restored: RestorePoint | None = None, since: datetime | None = None) -> Needed:
    return Needed(savepoints, frozenset({RUNNING}), RUNNING, restored.path if restored else None, since)


@pytest.mark.parametrize(
    ("points", "folders", "wanted", "expected"),
    [
        pytest.param([], [], needed(), Superseded(), id="nothing there"),
        pytest.param([], [RUNNING], needed(), Superseded(), id="a job that has just begun keeps its folder"),
        pytest.param([], [RUNNING, DEAD], needed(), Superseded((), (DEAD,)), id="an empty folder of a dead job goes"),
        pytest.param(
            [checkpoint(RUNNING, 9), checkpoint(RUNNING, 8), savepoint(7), savepoint(6), savepoint(5)],
            [RUNNING],
            needed(),
            Superseded(paths(5)),
            id="savepoints beyond the number go, oldest first",
        ),
        pytest.param(
            [checkpoint(RUNNING, 9), checkpoint(DEAD, 8), checkpoint(OLDER, 7)],
            [RUNNING, DEAD, OLDER],
            needed(),
            Superseded((), (OLDER,)),
            id="the two newest points stay, whosever they are",
        ),
        pytest.param(
            [checkpoint(RUNNING, 9), checkpoint(RUNNING, 8), checkpoint(DEAD, 7), savepoint(1)],
            [RUNNING, DEAD],
            needed(),
            Superseded((), (DEAD,)),
            id="a dead job goes once the running one has two points",
        ),
        pytest.param(
            [checkpoint(DEAD, 9), checkpoint(DEAD, 8), checkpoint(OLDER, 3)],
            [DEAD, OLDER],
            needed(restored=checkpoint(OLDER, 3)),
            Superseded(),
            id="what the running job resumed from stays until it has a checkpoint, with newer ones that are damaged",
        ),
        pytest.param(
            [savepoint(9), savepoint(8), savepoint(7), savepoint(2)],
            [RUNNING],
            needed(restored=savepoint(2)),
            Superseded(paths(7)),
            id="a savepoint as well",
        ),
        pytest.param(
            [checkpoint(RUNNING, 10), savepoint(9), savepoint(8), savepoint(2)],
            [RUNNING],
            needed(restored=savepoint(2)),
            Superseded(paths(2)),
            id="and goes when it has one",
        ),
        pytest.param(
            [checkpoint(DEAD, 9), savepoint(3), savepoint(2), savepoint(1)],
            [DEAD],
            Needed(savepoints=1),
            Superseded(paths(2, 1)),
            id="of a job that is stopped the two newest points stay",
        ),
        pytest.param(
            [checkpoint(RUNNING, 9), checkpoint(DEAD, 5), checkpoint(OLDER, 4), savepoint(3)],
            [RUNNING, DEAD, OLDER],
            needed(since=at(8)),
            Superseded((), (DEAD, OLDER)),
            id="after a reset older checkpoints are of no use, and savepoints stay for whoever regrets it",
        ),
    ],
)
def test_choice(points: list[RestorePoint], folders: list[str], wanted: Needed, expected: Superseded) -> None:
    assert superseded(points, folders, wanted) == expected
    assert superseded(reversed(points), folders, wanted) == expected


def test_a_removed_savepoint_is_gone(tmp_path: Path) -> None:
    state = tmp_path / "state"
    kept = saved(state / "savepoints" / "savepoint-aaaaaa-2", 200)
    gone = saved(state / "savepoints" / "savepoint-aaaaaa-1", 100)
    (gone / "part").write_bytes(b"x")
    remove_savepoint(f"file://{gone}")
    remove_savepoint(f"file://{gone}")
    assert [point.path for point in restore_points(f"file://{state}")] == [f"file://{kept}"]
    assert not gone.exists()


def test_jobs_with_a_folder_are_known_even_without_checkpoints(tmp_path: Path) -> None:
    saved(tmp_path / "checkpoints" / RUNNING / "chk-1", 100)
    (tmp_path / "checkpoints" / DEAD / "shared").mkdir(parents=True)
    assert checkpointed_jobs(f"file://{tmp_path}") == {RUNNING, DEAD}
    assert checkpointed_jobs(f"file://{tmp_path}/none") == frozenset()


def test_a_size_is_that_of_all_files(tmp_path: Path) -> None:
    folder = saved(tmp_path / "savepoint-aaaaaa-1", 100)
    (folder / "deeper").mkdir()
    (folder / "deeper" / "part").write_bytes(b"1234")
    assert size_bytes(f"file://{folder}") == 5
