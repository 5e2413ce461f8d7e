"""From a record's timestamp to its row being visible, at steady rates."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any, Final

from bench.contestants.contestant import Contestant, Race
from bench.figures import percentile
from bench.load import DAY_MS, delete_topic, steady
from bench.own_stack import Site
from bench.probe import Probe, latencies_ms, stamps
from bench.processes import Program
from bench.race import Track, first_line
from bench.table import PATIENCE_S, StalledError, empty, query, rows_in
from orchestration.resources.topics import TopicSpec

__all__ = ["measure"]

RATES_PER_S: Final = (1_000, 10_000, 30_000)
# Rows a second that the probe reads.
PROBED_PER_S: Final = 1_000
# After the launch: caches fill and code is compiled.
SETTLE_S: Final = 10.0
PARTITIONS: Final = 4
# Rows that lie between two commits of a contestant: the probe looks for a missing id for so long.
LONGEST_S: Final = 5.0
MISSED_SHARE: Final = 0.001


def measure(site: Site, contestants: Sequence[Contestant], rates: Sequence[int], seconds: float) -> dict[str, Any]:
    """Plain values: a result for each rate and contestant, latencies in milliseconds."""
    results = []
    with Track(site) as track:
        for rate in rates:
            for contestant in contestants:
                site.say(f"latency of {contestant.name} at {rate:,} events/s")
                result = {"contestant": contestant.name, "rate": rate, **_run(track, contestant, rate, seconds)}
                site.say(f"  {result.get('void') or {k: round(v) for k, v in result['latency_ms'].items()}}")
                results.append(result)
    return {"seconds": seconds, "results": results}


def _run(track: Track, contestant: Contestant, rate: int, seconds: float) -> dict[str, Any]:
    site, topic = track.site, f"latency-{secrets.token_hex(4)}"
    empty(site)
    site.kafka.ensure_topic(TopicSpec(topic, PARTITIONS, 1, DAY_MS))
    try:
        return _measure(site, contestant, track.race(contestant, topic), rate, seconds)
    except Exception as error:  # whatever a rival's library raises is why it has no figure
        return {"void": first_line(error)}
    finally:
        delete_topic(site.kafka, topic)


def _measure(site: Site, contestant: Contestant, race: Race, rate: int, seconds: float) -> dict[str, Any]:
    step = max(1, rate // PROBED_PER_S)
    probe = Probe(site.session, contestant.table, step, int(rate * LONGEST_S))
    count = int(rate * (seconds + SETTLE_S))
    with contestant.start(race) as programs:
        producer = _producer(site, race, rate, count)
        began = time.time()
        try:
            probe.watch(time.monotonic() + seconds + SETTLE_S)
            for program in programs:
                program.check()
            _drain(probe)
            producer.wait(PATIENCE_S)
            rows = rows_in(site, contestant.table)
            missed = query(site, "multiples", {"step": step}, table=contestant.table)[0][0] - len(probe.seen_s)
        finally:
            producer.stop()
    stamped = stamps(site, race.topic, probe.seen_s)
    late = latencies_ms(probe.seen_s, stamped, began + SETTLE_S)
    sent_s = max(stamped.values()) - min(stamped.values()) if stamped else 0.0
    return {
        "latency_ms": {**{f"p{share}": percentile(late, share / 100) for share in (50, 95, 99)}, "max": late[-1]},
        "probed": len(late),
        "missed": missed,
        "probe_ms": percentile(sorted(probe.cost_s), 0.99) * 1000,
        "reached_per_s": count / sent_s if sent_s else 0.0,
        "void": _void(rows, count, missed, len(probe.seen_s)),
    }


def _void(rows: int, events: int, missed: int, seen: int) -> str:
    if rows != events:
        return f"{rows:,} rows of {events:,} events"
    return f"the probe missed {missed:,} rows of {missed + seen:,}" if missed > MISSED_SHARE * seen else ""


def _producer(site: Site, race: Race, rate: int, count: int) -> Program:
    return Program("producer", steady(site, race.topic, rate, count), site.folder / f"{race.run}-producer.log")


def _drain(probe: Probe) -> None:
    """Poll until nothing new has come for three seconds."""
    deadline, moved_at = time.monotonic() + PATIENCE_S, time.monotonic()
    while time.monotonic() < moved_at + 3.0:
        if probe.poll():
            moved_at = time.monotonic()
        if time.monotonic() > deadline:
            raise StalledError(f"rows still land {PATIENCE_S:.0f} s after the last event was sent")
        time.sleep(0.005)
