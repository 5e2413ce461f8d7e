"""The figures of one beat, and what it hands to the next."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from orchestration import heartbeat
from orchestration.heartbeat import Beat, figures, new_rows_since, take
from orchestration.resources.postgres import Latency, Progress
from orchestration.resources.topics import OffsetRange
from orchestration.settings import Settings

LANDED_AT = datetime(2026, 7, 30, 12, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))
NO_LATENCY = Latency(0, None, None)


def beat(at_s: float, rows: int) -> Beat:
    return Beat(at_s, Progress(total_rows=rows))


@pytest.mark.parametrize(
    "written",
    [
        Beat(1_753_869_600.25, Progress(5, 6, 7, 8, LANDED_AT)),
        Beat(0.0, Progress(newest_landed_at=datetime(2026, 1, 1, tzinfo=timezone.utc))),
        Beat(1.0, Progress()),
    ],
)
def test_a_beat_comes_back_from_its_cursor(written: Beat) -> None:
    assert Beat.from_cursor(written.to_cursor()) == written


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "not json",
        "5",
        "[]",
        "{}",
        '{"at_s": 1, "progress": {}}',
        '{"at_s": 1, "progress": {"newest_landed_at": null, "a_field_of_another_version": 1}}',
        '{"at_s": 1, "progress": {"newest_landed_at": "yesterday"}}',
    ],
)
def test_a_cursor_of_another_version_begins_anew(cursor: str) -> None:
    assert Beat.from_cursor(cursor) is None


@pytest.mark.parametrize(
    ("now", "previous", "new_rows", "rows_per_s"),
    [
        (beat(10.0, 500), None, 0, 0.0),
        (beat(10.0, 500), beat(0.0, 500), 0, 0.0),
        (beat(10.0, 500), beat(0.0, 0), 500, 50.0),
        (beat(15.0, 101), beat(0.0, 1), 100, 6.67),
        # The table was emptied, and two beats at the same moment.
        (beat(10.0, 5), beat(0.0, 500), 0, 0.0),
        (beat(10.0, 501), beat(10.0, 500), 1, 0.0),
    ],
)
def test_rows_since_the_last_beat(now: Beat, previous: Beat | None, new_rows: int, rows_per_s: float) -> None:
    found = figures(now, previous, {}, NO_LATENCY)
    assert (found["rows"], found["new_rows"], found["rows_per_s"]) == (now.progress.total_rows, new_rows, rows_per_s)
    assert new_rows_since(now, previous) == new_rows


@pytest.mark.parametrize(
    ("lags", "expected"),
    [
        ({}, {"lag": 0}),
        ({0: 0}, {"lag": 0, "lag_partition_0": 0}),
        ({3: 5, 0: 2}, {"lag": 7, "lag_partition_0": 2, "lag_partition_3": 5}),
    ],
)
def test_lag_of_each_partition(lags: dict[int, int], expected: dict[str, int]) -> None:
    found = figures(beat(1.0, 1), None, lags, NO_LATENCY)
    assert {name: value for name, value in found.items() if name.startswith("lag")} == expected


@pytest.mark.parametrize(
    ("latency", "expected"),
    [
        (NO_LATENCY, {}),
        (Latency(9, 1_234.5678, 20_000.0), {"latency_p50_s": 1.235, "latency_p99_s": 20.0}),
        (Latency(9, 0.0, 0.4), {"latency_p50_s": 0.0, "latency_p99_s": 0.0}),
    ],
)
def test_latency_in_seconds_only_when_rows_landed(latency: Latency, expected: dict[str, float]) -> None:
    found = figures(beat(1.0, 1), None, {}, latency)
    assert {name: value for name, value in found.items() if name.startswith("latency")} == expected


def test_every_figure_is_a_number_that_the_ui_plots() -> None:
    found = figures(beat(15.0, 101), beat(0.0, 1), {0: 1}, Latency(9, 1.0, 2.0))
    assert {type(value) for value in found.values()} <= {int, float}


class Servers:
    """Kafka and Postgres with ten rows more at each beat; keeps what Postgres was asked."""

    def __init__(self) -> None:
        self.rows = 0
        self.asked: list[Any] = []

    def committed(self, *_: str) -> dict[int, int]:
        return {0: 40}

    def offsets(self, _: str) -> dict[int, OffsetRange]:
        return {0: OffsetRange(0, 50), 1: OffsetRange(5, 8)}

    def progress(self, last: Progress | None = None) -> Progress:
        self.rows += 10
        self.asked.append(last)
        return Progress(total_rows=self.rows)

    def latency(self, window_s: float) -> Latency:
        self.asked.append(window_s)
        return NO_LATENCY


def test_each_beat_goes_on_from_the_last_one() -> None:
    servers: Any = Servers()
    settings = Settings(heartbeat_interval_s=15)
    first, before = take(settings, servers, servers, None, 100.0)
    second, after = take(settings, servers, servers, first, 120.0)
    assert servers.asked == [None, 15.0, first.progress, 20.0]
    assert (before["new_rows"], after["new_rows"], after["rows_per_s"]) == (0, 10, 0.5)
    assert (after["lag"], after["lag_partition_0"], after["lag_partition_1"]) == (13, 10, 3)
    assert second == Beat(120.0, Progress(total_rows=20))
    assert heartbeat.new_rows_since(second, first) == 10
