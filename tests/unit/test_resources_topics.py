"""Pure comparisons of topics and offsets."""

from __future__ import annotations

import pytest

from orchestration.resources.topics import OffsetRange, TopicSpec, lag_by_partition, topic_drift

SPEC = TopicSpec("t", partitions=2, replication_factor=1, retention_ms=1000)
CONFIG = {"retention.ms": "1000", "cleanup.policy": "delete", "retention.bytes": "-1"}


@pytest.mark.parametrize(
    ("replicas", "config", "drift"),
    [
        ({0: 1, 1: 1}, CONFIG, ()),
        ({0: 1, 1: 1}, {"retention.ms": "1000", "cleanup.policy": "delete"}, ()),
        ({0: 1, 1: 1, 2: 1}, CONFIG, ("partitions is 3, wanted 2",)),
        ({0: 3, 1: 2}, CONFIG, ("replication factor is 2, wanted 1",)),
        ({0: 1, 1: 1}, CONFIG | {"retention.ms": "-1"}, ("retention.ms is -1, wanted 1000",)),
        ({0: 1, 1: 1}, CONFIG | {"cleanup.policy": "compact"}, ("cleanup.policy is compact, wanted delete",)),
        ({0: 1, 1: 1}, CONFIG | {"retention.bytes": "5"}, ("retention.bytes is 5, wanted -1",)),
    ],
)
def test_each_difference_is_one_line(replicas: dict[int, int], config: dict[str, str], drift: tuple[str, ...]) -> None:
    assert topic_drift(SPEC, replicas, config) == drift


@pytest.mark.parametrize(
    ("span", "committed", "lag"),
    [
        (OffsetRange(0, 0), None, 0),
        (OffsetRange(0, 10), None, 10),
        (OffsetRange(4, 10), None, 6),
        (OffsetRange(0, 10), 7, 3),
        (OffsetRange(0, 10), 10, 0),
        # Retention has passed the commit: what is gone cannot be read any more.
        (OffsetRange(8, 10), 3, 2),
        # Committed on a topic that was since made anew.
        (OffsetRange(0, 2), 50, 0),
    ],
)
def test_lag_is_what_can_still_be_read(span: OffsetRange, committed: int | None, lag: int) -> None:
    assert lag_by_partition({3: span}, {} if committed is None else {3: committed}) == {3: lag}
