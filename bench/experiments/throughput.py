"""How fast each contestant brings a full topic into Postgres, in turns on the same servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bench.contestants.contestant import Contestant
from bench.load import Load, fill
from bench.own_stack import Site
from bench.race import Result, Track

__all__ = ["measure"]


def measure(site: Site, contestants: Sequence[Contestant], events: int, runs: int, *, warm_up: bool) -> dict[str, Any]:
    """Plain values: the load and one result a run; `warm_up` lets some run once before, uncounted."""
    topic = "throughput"
    site.say(f"sending {events:,} events")
    load = Load(events)
    goal = fill(site, topic, load)
    results: list[Result] = []
    with Track(site) as track:
        for number in range(0 if warm_up else 1, runs + 1):
            for contestant in contestants:
                if number == 0 and not contestant.warms_up:
                    continue
                site.say(f"{'warm-up' if number == 0 else f'run {number}'} of {contestant.name}")
                result = track.run(contestant, topic, goal, number)
                site.say(f"  {result.void or f'{result.rate:,.0f} rows/s'}")
                results.append(result)
    return {"load": asdict(load), "results": [asdict(result) for result in results]}
