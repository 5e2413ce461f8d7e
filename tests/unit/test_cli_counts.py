"""The counts that the command line prints."""

from __future__ import annotations

from typing import Any

import pytest

from orchestration.cli import counts
from orchestration.cli.counts import Counts, PartitionCounts, caught_up, read_counts, remaining
from orchestration.settings import Settings
from orchestration.verdicts import PartitionProgress

PROGRESS = {
    0: PartitionProgress(begin=10, end=110, committed=100, landed=80, duplicates=3),
    1: PartitionProgress(begin=0, end=50, committed=50, landed=50, duplicates=0),
    # Retention has emptied the one, and the job has not committed the other.
    2: PartitionProgress(begin=70, end=70, committed=None, landed=0, duplicates=0),
    3: PartitionProgress(begin=0, end=5, committed=None, landed=0, duplicates=0),
}


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """Counts of these four partitions."""
    given: dict[str, Any] = {"kafka": "k", "postgres": "p", "producer": "r", "flink": "f"}
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(counts, "resources", lambda _: given)

    def progress(*arguments: object) -> dict[int, PartitionProgress]:
        asked.append(arguments[1:])
        return PROGRESS

    monkeypatch.setattr(counts, "progress_by_partition", progress)
    read = read_counts(Settings())
    assert asked == [("k", "p", "r")]
    return read


def test_each_partition_and_their_sum(found: Counts) -> None:
    assert found.partitions == (
        PartitionCounts("0", produced=100, landed=80, duplicates=3, rejected=7, lag=10),
        PartitionCounts("1", produced=50, landed=50, duplicates=0, rejected=0, lag=0),
        PartitionCounts("2", produced=0, landed=0, duplicates=0, rejected=0, lag=0),
        PartitionCounts("3", produced=5, landed=0, duplicates=0, rejected=0, lag=5),
    )
    assert found.total == PartitionCounts("total", produced=155, landed=130, duplicates=3, rejected=7, lag=15)


@pytest.mark.parametrize(
    ("goal", "to_go"),
    [
        ({}, 0),
        ({0: 100, 1: 50}, 0),
        ({0: 99}, 0),
        ({0: 110}, 10),
        ({2: 70}, 0),
        ({3: 5}, 5),
        ({0: 110, 1: 50, 2: 70, 3: 5}, 15),
        # A partition that was added since.
        ({9: 4}, 4),
    ],
)
def test_what_the_job_has_still_to_commit(goal: dict[int, int], to_go: int, found: Counts) -> None:
    assert remaining(found, goal) == to_go
    assert caught_up(found, goal) is (to_go == 0)
