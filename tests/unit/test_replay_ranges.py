"""Which offsets a replay covers."""

from __future__ import annotations

import re

import pytest

from orchestration.errors import ConfigurationError
from orchestration.lifecycle.replay_ranges import (
    PREFIX,
    Scope,
    emptied,
    job_name,
    parse,
    scope,
    to_json,
    with_all_partitions,
)
from orchestration.resources.topics import OffsetRange as R


@pytest.mark.parametrize(
    ("wanted", "ranges", "gone", "ahead"),
    [
        (R(30, 40), R(30, 40), None, None),
        (R(0, 40), R(20, 40), R(0, 20), None),
        (R(5, 20), None, R(5, 20), None),
        (R(40, 200), R(40, 80), None, R(80, 100)),
        (R(80, 90), None, None, R(80, 90)),
        (R(0, 1_000), R(20, 80), R(0, 20), R(80, 100)),
        (R(100, 120), None, None, None),
    ],
)
def test_a_range_is_split_by_what_is_retained_and_committed(
    wanted: R, ranges: R | None, gone: R | None, ahead: R | None
) -> None:
    def of(span: R | None) -> dict[int, R]:
        return {0: span} if span else {}

    found = scope({0: wanted}, {0: R(20, 100), 1: R(0, 10)}, {0: 80, 1: 10})
    assert found == Scope(of(ranges), of(gone), of(ahead))


@pytest.mark.parametrize("committed", [{}, {0: 5}])
def test_what_retention_took_from_the_stream_is_not_waited_for(committed: dict[int, int]) -> None:
    found = scope({0: R(0, 50)}, {0: R(20, 100)}, committed)
    assert found == Scope({}, {0: R(0, 20)}, {0: R(20, 50)})


def test_an_unknown_partition_is_named() -> None:
    with pytest.raises(ConfigurationError, match="no partition 7: it has 0, 1"):
        scope({7: R(0, 1)}, {0: R(0, 1), 1: R(0, 1)}, {})


def test_each_warning_names_its_ranges_with_the_last_offset() -> None:
    gone, ahead = Scope({}, {1: R(0, 20), 0: R(3, 4)}, {2: R(8, 10)}).warnings()
    assert gone.endswith("partition 0: 3-3, partition 1: 0-19")
    assert ahead.endswith("partition 2: 8-9")
    assert Scope({0: R(0, 1)}, {}, {}).warnings() == []


def test_every_other_partition_has_an_empty_range_for_a_source_would_read_it_all() -> None:
    spans = with_all_partitions({1: R(3, 5)}, {1: R(0, 9), 0: R(2, 7)})
    assert spans == {0: R(7, 7), 1: R(3, 5)}


@pytest.mark.parametrize(
    ("log", "span", "is_emptied"),
    [(R(0, 9), R(0, 0), False), (R(5, 9), R(5, 5), True), (R(5, 9), R(5, 7), False), (R(5, 9), R(9, 9), False)],
)
def test_hours_before_the_log_are_told_from_idle_ones(log: R, span: R, is_emptied: bool) -> None:
    assert emptied({0: span}, {0: log}) == ([0] if is_emptied else [])


@pytest.mark.parametrize(
    "config", [{}, {"a": [0, 1]}, {"0": [1]}, {"0": [0, 1, 2]}, {"0": [5, 5]}, {"0": [-1, 5]}, {"-1": [0, 1]}]
)
def test_faulty_ranges_are_refused_with_an_example(config: dict[str, list[int]]) -> None:
    with pytest.raises(ConfigurationError, match=re.escape('{"0": [100, 200]}')):
        parse(config)


def test_ranges_go_through_the_configuration() -> None:
    assert parse(to_json({1: R(2, 3), 0: R(0, 9)})) == {0: R(0, 9), 1: R(2, 3)}


def test_a_replay_is_known_by_its_topic_and_what_is_wanted() -> None:
    name = job_name("topic", to_json({0: R(0, 9), 1: R(2, 3)}))
    assert re.fullmatch(r"replay\.[0-9a-f]{12}", name)
    assert name.startswith(PREFIX)
    assert job_name("topic", {"1": [2, 3], "0": [0, 9]}) == name
    others = {
        job_name("other", {"1": [2, 3], "0": [0, 9]}),
        job_name("topic", {"0": [0, 9]}),
        job_name("topic", "hour"),
    }
    assert len(others - {name}) == 3
