"""The figures of one beat, and what it hands to the next."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from orchestration.errors import TransientError
from orchestration.health.facts import FlinkFacts, KafkaFacts, PostgresFacts, StreamFacts, Unreachable
from orchestration.heartbeat import Beat, figures, lag_figures, new_rows_since, take
from orchestration.resources.postgres import Latency, PostgresResource, Progress

LANDED_AT = datetime(2026, 7, 30, 12, 0, 0, 123_456, tzinfo=timezone(timedelta(hours=2)))
NO_LATENCY = Latency(0, None, None)
NOTHING_YET = Progress()


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
    found = figures(now, previous, NO_LATENCY)
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
    assert lag_figures(lags) == expected


@pytest.mark.parametrize(
    ("latency", "expected"),
    [
        (NO_LATENCY, {}),
        (Latency(9, 1_234.5678, 20_000.0), {"latency_p50_s": 1.235, "latency_p99_s": 20.0}),
        (Latency(9, 0.0, 0.4), {"latency_p50_s": 0.0, "latency_p99_s": 0.0}),
    ],
)
def test_latency_in_seconds_only_when_rows_landed(latency: Latency, expected: dict[str, float]) -> None:
    found = figures(beat(1.0, 1), None, latency)
    assert {name: value for name, value in found.items() if name.startswith("latency")} == expected


def test_every_figure_is_a_number_that_the_ui_plots() -> None:
    found = figures(beat(15.0, 101), beat(0.0, 1), Latency(9, 1.0, 2.0)) | lag_figures({0: 1})
    assert {type(value) for value in found.values()} <= {int, float}


class Table(PostgresResource):
    """A table with ten rows more at each beat, or out of reach; keeps what it was asked."""

    rows = 0
    asked: list[Any] = []
    down = False

    def progress(self, last: Progress = NOTHING_YET) -> Progress:
        if Table.down:
            raise TransientError("too slow")
        Table.rows += 10
        Table.asked.append((last, self.statement_timeout_s))
        return Progress(total_rows=Table.rows)

    def latency(self, window_s: float, newest_ids: int = 0) -> Latency:
        del newest_ids
        Table.asked.append(window_s)
        return NO_LATENCY


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    for name, value in {"rows": 0, "asked": [], "down": False}.items():
        monkeypatch.setattr(Table, name, value)
    nobody: Any = None
    return Table("nowhere", 1024, "db", nobody, nobody, nobody, nobody)


KAFKA = KafkaFacts({0: 0, 1: 5}, {0: 50, 1: 8}, {0: 40})


def facts(at_s: float) -> StreamFacts:
    return StreamFacts(at_s, FlinkFacts(0), KAFKA, PostgresFacts(5))


def test_each_beat_goes_on_from_the_last_one(table: Table) -> None:
    first, before = take(facts(100.0), table, None, 15.0)
    second, after = take(facts(120.0), table, first, 15.0)
    assert first is not None
    assert Table.asked[1::2] == [15.0, 20.0]
    assert (before["new_rows"], after["new_rows"], after["rows_per_s"]) == (0, 10, 0.5)
    assert (after["lag"], after["lag_partition_0"], after["lag_partition_1"]) == (13, 10, 3)
    assert second == Beat(120.0, Progress(total_rows=20))
    assert new_rows_since(second, first) == 10


@pytest.mark.parametrize("unread", [Unreachable("down"), PostgresFacts(None)])
def test_rows_that_cannot_be_read_are_counted_at_the_next_beat(
    table: Table, unread: Unreachable | PostgresFacts
) -> None:
    first, _ = take(facts(100.0), table, None, 15.0)
    kept, meanwhile = take(replace(facts(110.0), postgres=unread), table, first, 15.0)
    assert kept == first
    assert meanwhile == {"lag": 13, "lag_partition_0": 10, "lag_partition_1": 3}
    _, after = take(facts(120.0), table, kept, 15.0)
    assert (after["new_rows"], after["rows_per_s"]) == (10, 0.5)


def test_a_table_that_answers_too_late_is_no_beat(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Table, "down", True)
    assert take(replace(facts(1.0), kafka=Unreachable("down")), table, None, 15.0) == (None, {})
