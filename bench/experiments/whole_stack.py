"""What a whole stack takes, Dagster and all: with nothing to read, and over an hour of events."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

import psutil

from bench.load import steady
from bench.own_stack import Site
from bench.processes import Program, cpu_s, memory_mb, servers
from bench.table import EVENTS, PATIENCE_S, StalledError, rows_in
from orchestration.cli.dagster_api import DagsterApi

__all__ = ["measure_hour", "measure_idle"]

WITHOUT_PRODUCERS: Final = {
    "ops": {"event_producer": {"ops": {"launch_producers": {"config": {"sample_file": False, "generator": False}}}}}
}
SAMPLE_S: Final = 30.0


def measure_idle(site: Site, settle_s: float, seconds: float) -> dict[str, Any]:
    """What each process takes while the stream runs and nothing is sent: shares of a core, and MiB."""
    _launch(site)
    time.sleep(settle_s)
    processes = servers(site.stack)
    before, began = cpu_s(processes), time.monotonic()
    time.sleep(seconds)
    return {
        "seconds": seconds,
        "cpu_share": _shares(processes, before, began),
        "memory_mb": memory_mb(processes),
    }


def measure_hour(site: Site, rate_per_s: int, seconds: float) -> dict[str, Any]:
    """Memory of each process (MiB) every half minute while events come at a steady rate, and its share of a core.

    `void` unless each event has become a row in the end, and no server was started again.
    """
    _launch(site)
    count = int(rate_per_s * seconds)
    command = steady(site, site.settings.kafka_topic, rate_per_s, count)
    producer = Program("producer", command, site.folder / "hour-producer.log")
    processes = servers(site.stack)
    before, began = cpu_s(processes), time.monotonic()
    samples = []
    try:
        while (now := time.monotonic()) < began + seconds:
            producer.check()
            samples.append({"minute": (now - began) / 60, "memory_mb": memory_mb(processes)})
            time.sleep(SAMPLE_S)
        cpu_share = _shares(processes, before, began)
        report = json.loads(producer.wait(PATIENCE_S).strip().splitlines()[-1])
    finally:
        producer.stop()
    rows = _rows_once_landed(site, count)
    again = [name for name, process in servers(site.stack).items() if process != processes[name]]
    exact = report["acknowledged"] == rows == count
    return {
        "rate": rate_per_s,
        "seconds": seconds,
        "rows": rows,
        "samples": samples,
        "cpu_share": cpu_share,
        "void": "" if exact and not again else f"{rows:,} rows of {count:,} events; started again: {again}",
    }


def _shares(processes: Mapping[str, psutil.Process], before_s: Mapping[str, float], began: float) -> dict[str, float]:
    """Of a core, by process, since `began` (monotonic time)."""
    taken_s = time.monotonic() - began
    return {name: (after_s - before_s[name]) / taken_s for name, after_s in cpu_s(processes).items()}


def _launch(site: Site) -> None:
    api = DagsterApi(site.settings.dagster_url)
    api.wait_for_location()
    api.follow(api.launch("start_pipeline", WITHOUT_PRODUCERS), lambda *_: None)


def _rows_once_landed(site: Site, count: int) -> int:
    deadline = time.monotonic() + PATIENCE_S
    while (rows := rows_in(site, EVENTS)) < count:
        if time.monotonic() > deadline:
            raise StalledError(f"{rows:,} rows of {count:,} events after {PATIENCE_S:.0f} s")
        time.sleep(1.0)
    return rows
