from __future__ import annotations

from typing import Any

import pytest

from bench.contestants.connect import cause
from bench.experiments.producer import records_per_s
from bench.probe import latencies_ms
from bench.race import first_line
from bench.reporting.report import SECTIONS, markdown
from bench.reporting.sections import throughput
from bench.reporting.tables import counted, table, voids

MACHINE = {"at": "2026-01-01T00:00:00+00:00", "cores": 2, "memory_gb": 23, "system": "Linux", "python": "3.11",
           "revision": "abc"}  # fmt: skip


def run(contestant: str, rate: float, number: int = 1, void: str = "") -> dict[str, Any]:
    return {"contestant": contestant, "run": number, "rate": rate, "whole_s": 10.0, "cpu_us": {"kafka": 2.0},
            "memory_mb": {"kafka": 300.0}, "curve": [(0.0, 0), (10.0, 5)], "void": void}  # fmt: skip


RESULTS = [
    run("ours", 1.0, number=0),
    run("ours", 100_000.0), run("ours", 90_000.0, 2), run("ours", 120_000.0, 3),
    run("rival", 50_000.0), run("rival", 40_000.0, 2),
    run("broken", 0.0, void="OSError: no such jar"),
]  # fmt: skip


def test_neither_a_warm_up_nor_a_void_run_counts() -> None:
    assert {name: len(runs) for name, runs in counted(RESULTS).items()} == {"ours": 3, "rival": 2}


def test_a_rival_that_did_not_run_is_told_with_the_reason() -> None:
    assert voids(RESULTS) == "- void: broken 1: OSError: no such jar\n"
    assert "broken" in throughput({"load": {"events": 5}, "results": RESULTS})


def test_throughput_is_told_as_a_ratio_of_medians_with_the_spread() -> None:
    text = throughput({"load": {"events": 5}, "results": RESULTS})
    assert "| ours | 1.00 | 0.90-1.20 | 100.0 | 10.0 (10.0-10.0) | 2.0 (2.0-2.0) |" in text
    assert "| rival | 2.22 | 0.89-1.11 | 45.0 | 10.0 (10.0-10.0) | 2.0 (2.0-2.0) |" in text


def test_without_our_own_figure_there_is_no_ratio() -> None:
    text = throughput({"load": {"events": 5}, "results": [run("rival", 50_000.0)]})
    assert "| rival |  | one run | 50.0 | 10.0 | 2.0 |" in text


def test_a_table_has_its_figures_to_the_right() -> None:
    assert table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |\n"


LATENCY = {"rate": 1000, "contestant": "ours", "reached_per_s": 999.0, "probe_ms": 2.0, "void": "",
           "latency_ms": {"p50": 400.0, "p95": 900.0, "p99": 1000.0, "max": 1100.0}}  # fmt: skip
MEASURED: dict[str, dict[str, Any]] = {
    "throughput": {"load": {"events": 5}, "results": RESULTS},
    "latency": {"seconds": 60.0, "results": [LATENCY, {"rate": 1000, "contestant": "quix-2", "void": "why"}]},
    "growth": {
        "results": [
            {"dimension": "warm-up", "value": 0, **run("ours", 1.0, 0)},
            {"dimension": "partitions", "value": 4, **run("ours", 5.0), "memory_mb": {"flink-taskmanager": 400.0}},
        ]
    },
    "ledger": {
        "recovery": [{"run": 1, "seconds": 12.0, "void": ""}, {"run": 2, "seconds": 1.0, "void": "9 rows"}],
        "catch_up": {"outage_s": 600.0, "load_per_s": 5000, "seconds": 40.0, "rows": 9, "rate": 50_000.0},
    },
    "producer": {
        "events": 10,
        "results": [run("producer", 90.0), run("kafka-producer-perf-test", 100.0)],
    },
    "start": {"results": [{"contestant": "make stop", "run": n, "seconds": 10.0 + n} for n in (1, 2, 3)]},
    "idle": {"seconds": 60.0, "cpu_share": {"kafka": 0.02}, "memory_mb": {"kafka": 300.0}},
    "hour": {
        "rate": 1000,
        "rows": 3_600_000,
        "cpu_share": {"kafka": 0.02},
        "void": "a server was started again",
        "samples": [{"minute": at, "memory_mb": {"kafka": max(300.0, 270.0 + at)}} for at in range(0, 60, 10)],
    },
}


@pytest.mark.parametrize(
    ("experiment", "line"),
    [
        ("throughput", "| rival | 2.22 |"),
        ("latency", "| ours | 400 | 900 | 1000 | 1100 | 999 | 2.0 |"),
        ("latency", "- void: quix-2 1000: why"),
        ("growth", "| 4 | 0.0 | 2.0 | 0.0 | 0.0 | 0.0 | 400 |"),
        ("ledger", "| rate of catching up / load | 10.0 |"),
        ("ledger", "- void: 2: 9 rows"),
        ("producer", "| producer | 0.90 | one run | 0.1 |"),
        ("start", "| make stop | 12.0 (11.0-13.0) |"),
        ("idle", "| all | 2.0% | 300 |"),
        ("hour", "3,600,000 events at 1,000 a second"),
        ("hour", "| kafka | 2.0% | 300 | 320 | +60 |"),
        ("hour", "- void: a server was started again"),
    ],
)
def test_each_experiment_has_its_section(experiment: str, line: str) -> None:
    text = markdown({experiment: {**MEASURED[experiment], "machine": MACHINE}})
    assert line in text
    assert f"## {SECTIONS[experiment][0]}" in text
    assert text.count("## ") == 1


@pytest.mark.parametrize("smoke", [True, False])
def test_a_smoke_run_is_told_to_be_one(smoke: bool) -> None:
    text = markdown({"idle": {**MEASURED["idle"], "machine": MACHINE, "smoke": smoke}})
    assert ("its figures mean nothing" in text) is smoke


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        ("", "a task failed and said nothing"),
        ("a.B: it broke\n\tat c.D(E.java:1)\n", "a.B: it broke"),
        ("a.B: it broke\n\tat c\nCaused by: f.G: no table\n\t... 9 more\n", "f.G: no table"),
    ],
)
def test_the_cause_of_a_trace_is_its_last(trace: str, expected: str) -> None:
    assert cause(trace) == expected


def test_an_exception_is_told_in_one_line() -> None:
    assert first_line(ValueError("one\ntwo")) == "ValueError: one"


def test_the_rate_of_the_performance_test_is_that_of_the_whole_run() -> None:
    lines = "100 records sent, 20.0 records/sec (0.01 MB/sec), 5 ms avg latency\n"
    assert records_per_s(lines + lines.replace("100", "900").replace("20.0", "25.500")) == 25.5
    with pytest.raises(ValueError, match="told no rate: nothing"):
        records_per_s("nothing")


def test_latencies_are_of_records_sent_after_the_start() -> None:
    seen_s, stamped_s = {"a": 1.5, "b": 3.1, "c": 3.4}, {"a": 1.0, "b": 3.0, "c": 2.9, "unseen": 3.0}
    assert latencies_ms(seen_s, stamped_s, 2.0) == pytest.approx([100.0, 500.0])
