"""Markdown of single experiments from the plain values of raw.json. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import linear_regression
from typing import Final

from bench.figures import ratios, spread
from bench.reporting.tables import SERVERS, Figures, around_median, counted, median_of, plain, table, voids

__all__ = ["growth", "hour", "idle", "latency", "ledger", "producer", "start", "throughput"]

BASE: Final = "ours"


def throughput(measured: Figures) -> str:
    """Ratios to our median rate; absolute figures beside them."""
    found = counted(measured["results"])
    rates = {name: spread([run["rate"] for run in runs]) for name, runs in found.items()}
    medians = {name: rate.median for name, rate in rates.items() if rate}
    relative = ratios(medians, BASE)
    rows = []
    for name, rate in rates.items():
        if rate is None:
            continue
        runs = found[name]
        ours = f"{1 / relative[name]:.2f}" if name in relative else ""
        whole = spread([run["whole_s"] for run in runs])
        cpu_us = spread([sum(run["cpu_us"].values()) for run in runs])
        rows.append([name, ours, around_median(rate), f"{rate.median / 1000:.1f}", plain(whole, 1), plain(cpu_us, 1)])
    events = measured["load"]["events"]
    head = ["contestant", "ours / it", "min-max", "k rows/s", "whole time, s", "CPU µs an event"]
    return f"{events:,} events.\n\n{table(head, rows)}\n{_by_process(found)}\n{voids(measured['results'])}"


def _by_process(found: Mapping[str, Sequence[Figures]]) -> str:
    names = list(dict.fromkeys(name for runs in found.values() for run in runs for name in run["cpu_us"]))
    rows = []
    for contestant, runs in found.items():
        cells = []
        for name in names:
            cpu_us = spread([run["cpu_us"][name] for run in runs if name in run["cpu_us"]])
            memory = spread([run["memory_mb"][name] for run in runs if name in run["memory_mb"]])
            cells.append(f"{cpu_us.median:.1f} ({memory.median:.0f})" if cpu_us and memory else "")
        rows.append([contestant, *cells])
    return f"CPU µs an event by process, and its memory in MiB at the end:\n\n{table(['contestant', *names], rows)}"


def latency(measured: Figures) -> str:
    """Milliseconds, a table a rate."""
    parts = []
    for rate in dict.fromkeys(result["rate"] for result in measured["results"]):
        of_rate = [result for result in measured["results"] if result["rate"] == rate]
        rows = [
            [name, *(f"{runs[0]['latency_ms'][key]:.0f}" for key in ("p50", "p95", "p99", "max")),
             f"{runs[0]['reached_per_s']:,.0f}", f"{runs[0]['probe_ms']:.1f}"]
            for name, runs in counted(of_rate).items()
        ]  # fmt: skip
        head = ["contestant", "p50 ms", "p95 ms", "p99 ms", "max ms", "events/s reached", "p99 of a poll, ms"]
        parts.append(f"{rate:,} events/s for {measured['seconds']:.0f} s:\n\n{table(head, rows)}\n{voids(of_rate)}")
    return "\n".join(parts)


def growth(measured: Figures) -> str:
    """CPU and rate by each dimension's values."""
    parts = []
    for dimension in dict.fromkeys(result["dimension"] for result in measured["results"]):
        results = [result for result in measured["results"] if result["dimension"] == dimension]
        if not any(result["run"] for result in results):
            continue
        rows = []
        for value, runs in counted(results, "value").items():
            cpu = [median_of(run["cpu_us"].get(name, 0.0) for run in runs) for name in SERVERS]
            memory = median_of(run["memory_mb"]["flink-taskmanager"] for run in runs)
            rows.append(
                [f"{float(value):g}", f"{median_of(run['rate'] for run in runs) / 1000:.1f}",
                 *(f"{us:.1f}" for us in cpu), f"{memory:.0f}"]
            )  # fmt: skip
        head = [dimension, "k rows/s", *(f"{name} µs" for name in SERVERS), "TaskManager MiB"]
        parts.append(f"{table(head, rows)}\n{voids(results)}")
    return "\n".join(parts)


def ledger(measured: Figures) -> str:
    """Recovery and catching up; the cost of the passes is in throughput, as ours+ledger."""
    recovered = spread([run["seconds"] for run in measured["recovery"] if not run["void"]])
    caught = measured["catch_up"]
    rows = [
        ["recovery from kill -9 of the TaskManager under full load, s", plain(recovered, 1)],
        [f"outage under {caught['load_per_s']:,} events/s, s", f"{caught['outage_s']:.0f}"],
        ["from the start to having caught up, s", f"{caught['seconds']:.1f}"],
        ["rate of catching up / load", f"{caught['rate'] / caught['load_per_s']:.1f}"],
    ]
    return f"{table(['what', 'value'], rows)}\n{voids(measured['recovery'])}"


def producer(measured: Figures) -> str:
    """Ratios to Kafka's own test."""
    found = counted(measured["results"])
    rates = {name: spread([run["rate"] for run in runs]) for name, runs in found.items()}
    relative = ratios({name: rate.median for name, rate in rates.items() if rate}, "kafka-producer-perf-test")
    rows = [
        [name, f"{relative[name]:.2f}" if name in relative else "", around_median(rate), f"{rate.median / 1000:.1f}"]
        for name, rate in rates.items()
        if rate
    ]
    head = ["what", "of Kafka's test", "min-max", "k events/s"]
    return f"{measured['events']:,} events.\n\n{table(head, rows)}"


def start(measured: Figures) -> str:
    """Seconds, median and span."""
    found = counted(measured["results"])
    rows = [[name, plain(spread([run["seconds"] for run in runs]), 1)] for name, runs in found.items()]
    return table(["command", "seconds"], rows)


def idle(measured: Figures) -> str:
    """Shares of a core."""
    memory = measured["memory_mb"]
    rows = [[name, f"{share:.1%}", f"{memory[name]:.0f}"] for name, share in measured["cpu_share"].items()]
    total = ["all", f"{sum(measured['cpu_share'].values()):.1%}", f"{sum(memory.values()):.0f}"]
    return table(["process", "CPU, of one core", "memory, MiB"], [*rows, total])


def hour(measured: Figures) -> str:
    """Memory by process, early and late, with its slope over the second half."""
    late = measured["samples"][len(measured["samples"]) // 2 :]
    minutes = [sample["minute"] for sample in late]
    rows = []
    for name, share in measured["cpu_share"].items():
        early = median_of(sample["memory_mb"][name] for sample in measured["samples"][: len(late) // 2])
        memory = [sample["memory_mb"][name] for sample in late]
        slope = linear_regression(minutes, memory).slope * 60
        rows.append([name, f"{share:.1%}", f"{early:.0f}", f"{memory[-1]:.0f}", f"{slope:+.0f}"])
    head = ["process", "CPU, of one core", "first quarter, MiB", "end, MiB", "second half, MiB an hour"]
    told = f"{measured['rows']:,} events at {measured['rate']:,} a second"
    void = f"- void: {measured['void']}\n" if measured["void"] else ""
    return f"{told}:\n\n{table(head, rows)}\n{void}"
