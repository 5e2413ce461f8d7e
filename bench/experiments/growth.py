"""How our job's cost grows: with partitions, rows in the table, the size of an event, bad and repeated events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from bench.contestants.ours import OURS, launched_with
from bench.load import Load, delete_topic, fill
from bench.own_stack import Site
from bench.race import Track
from bench.table import empty, prefill

__all__ = ["Case", "cases", "measure"]

MILLION: Final = 1_000_000


@dataclass(frozen=True)
class Case:
    """One value of one dimension; `prefilled` rows are in the table before."""

    dimension: str
    value: float
    load: Load
    prefilled: int = 0


def cases(events: int, *, quick: bool) -> Iterator[Case]:
    """Each dimension by itself, the others as the defaults have them. `quick` leaves out what takes long."""
    base = Load(events)
    for partitions in (1, 2, 4):
        yield Case("partitions", partitions, replace(base, partitions=partitions))
    for rows in (0, MILLION // 10) if quick else (0, MILLION, 5 * MILLION, 20 * MILLION):
        yield Case("rows in the table", rows, base, rows)
    for size_bytes in (200, 500, 2_000, 10_000):
        # No more bytes than two million events of the usual size: the disk and the broker have other users.
        count = min(events, 1_000 * MILLION // size_bytes)
        yield Case("bytes of an event", size_bytes, replace(base, events=count, size_bytes=size_bytes))
    for share in (0.0, 0.1, 0.5):
        yield Case("share of bad events", share, replace(base, malformed=share))
        yield Case("share of duplicates", share, replace(base, duplicate=share))


def measure(site: Site, events: int, runs: int, *, quick: bool) -> dict[str, Any]:
    """Plain values: a result for each run of each case."""
    results = []
    with Track(site) as track:
        _run(track, Case("warm-up", 0, Load(events)), 0)
        for case in cases(events, quick=quick):
            results += [_run(track, case, number) for number in range(1, runs + 1)]
    return {"events": events, "results": results}


def _run(track: Track, case: Case, number: int) -> dict[str, Any]:
    site, topic = track.site, f"growth-{number}"
    site.say(f"{case.dimension} {case.value:g}, run {number}")
    goal = fill(site, topic, case.load)
    empty(site)
    if case.prefilled:
        prefill(site, case.prefilled)
    contestant = replace(OURS, start=launched_with(flink_parallelism=case.load.partitions))
    try:
        result = track.run(contestant, topic, goal, number, fresh=False)
    finally:
        delete_topic(site.kafka, topic)
    site.say(f"  {result.void or f'{result.rate:,.0f} rows/s'}")
    return {"dimension": case.dimension, "value": case.value, "load": asdict(case.load), **asdict(result)}
