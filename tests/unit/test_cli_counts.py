"""The counts that the command line prints."""

from __future__ import annotations

import pytest

from orchestration.cli import counts
from orchestration.cli.counts import Counts, PartitionCounts, caught_up, read_counts, remaining
from orchestration.ledger.accounting import Fate, PartitionTotals
from orchestration.ledger.standing import Standing
from orchestration.resources.topics import OffsetRange
from orchestration.settings import Settings

SPANS = {
    # Retention has taken the first ten of these; they are accounted for all the same.
    0: OffsetRange(10, 110),
    1: OffsetRange(0, 50),
    # Retention has emptied the one, and the ledger has not come to the other.
    2: OffsetRange(70, 70),
    3: OffsetRange(0, 5),
}


def totals(end: int, **counts: int) -> PartitionTotals:
    return PartitionTotals(OffsetRange(0, end), end, {fate: counts.get(fate.name, 0) for fate in Fate})


class Kafka:
    """The offsets of the topic."""

    def offsets(self, topic: str) -> dict[int, OffsetRange]:
        assert topic == "t"
        return SPANS


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """Counts of these four partitions."""
    ledger = {0: totals(100, LANDED=80, SUPERSEDED=3, DEAD=14, GONE=2, LOST=1), 1: totals(50, LANDED=50)}
    monkeypatch.setattr(counts, "resources", lambda _: {"kafka": Kafka(), "postgres": "p"})
    monkeypatch.setattr(counts, "read_standing", lambda *_: Standing(ledger, {}, {}, 1.0))
    return read_counts(Settings(kafka_topic="t"))


def test_each_partition_and_their_sum(found: Counts) -> None:
    assert found.partitions == (
        PartitionCounts("0", produced=110, landed=80, superseded=3, rejected=14, lost=3, lag=10),
        PartitionCounts("1", produced=50, landed=50, superseded=0, rejected=0, lost=0, lag=0),
        PartitionCounts("2", produced=0, landed=0, superseded=0, rejected=0, lost=0, lag=0),
        PartitionCounts("3", produced=5, landed=0, superseded=0, rejected=0, lost=0, lag=5),
    )
    assert found.total == PartitionCounts("total", 165, landed=130, superseded=3, rejected=14, lost=3, lag=15)


def test_the_columns_add_up(found: Counts) -> None:
    for row in (*found.partitions, found.total):
        assert row.landed + row.superseded + row.rejected + row.lost + row.lag == row.produced


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
def test_what_is_still_to_be_accounted_for(goal: dict[int, int], to_go: int, found: Counts) -> None:
    assert remaining(found, goal) == to_go
    assert caught_up(found, goal) is (to_go == 0)
