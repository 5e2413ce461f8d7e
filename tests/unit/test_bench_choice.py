from __future__ import annotations

import pytest

from bench.__main__ import EXPERIMENTS, _chosen, _flags
from bench.contestants.catalogue import ALL, STREAMING, chosen


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ([], list(EXPERIMENTS)),
        (["latency"], ["latency"]),
        (["idle", "throughput"], ["throughput", "idle"]),
        (["latency", "debezium"], ["latency"]),
        (["debezium"], ["throughput"]),
    ],
)
def test_named_contestants_alone_mean_throughput(only: list[str], expected: list[str]) -> None:
    assert _chosen(only) == expected


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        ([], [contestant.name for contestant in ALL]),
        (["throughput"], [contestant.name for contestant in ALL]),
        (["copy-1", "ours", "latency"], ["ours", "copy-1"]),
    ],
)
def test_contestants_run_in_their_order(only: list[str], expected: list[str]) -> None:
    assert [contestant.name for contestant in chosen(only)] == expected


def test_every_name_tells_one_thing() -> None:
    names = [contestant.name for contestant in ALL] + list(EXPERIMENTS)
    assert len(set(names)) == len(names)
    assert set(STREAMING) <= set(ALL)


def test_a_name_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _flags(["--only", "ours", "kafka-streams"])
    assert "kafka-streams is none of throughput, latency" in capsys.readouterr().err
