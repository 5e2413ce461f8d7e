"""What surrounds the job's speed: recovery from a kill under full load, and catching up after an outage."""

from __future__ import annotations

import os
import secrets
import signal
import time
from typing import Any, Final

from bench.contestants.contestant import Race
from bench.contestants.ours import OURS, settings_of, stream, streaming
from bench.figures import Sample, rate_between
from bench.load import DAY_MS, Load, delete_topic, fill, steady
from bench.own_stack import Site
from bench.processes import Program, servers
from bench.race import Track
from bench.table import EVENTS, IDLE_S, PATIENCE_S, StalledError, empty, newest_id, tally, watch
from orchestration.resources.topics import TopicSpec

__all__ = ["measure"]

TASKMANAGER: Final = "flink-taskmanager"
POLL_S: Final = 0.05
# Before a kill, so that it hits a job at full speed.
KILL_AT: Final = 0.3


def measure(site: Site, events: int, runs: int, outage_s: float, rate_per_s: int) -> dict[str, Any]:
    """Plain values: a recovery for each run, and one outage of so many seconds under so many events a second."""
    with Track(site) as track:
        site.say("warm-up")
        topic = _topic("warm-up")
        track.run(OURS, topic, fill(site, topic, Load(events)), 0)
        delete_topic(site.kafka, topic)
        recoveries = [_recovery(track, events, number) for number in range(1, runs + 1)]
        catch_up = _catch_up(track, outage_s, rate_per_s)
    return {"events": events, "recovery": recoveries, "catch_up": catch_up}


def _topic(purpose: str) -> str:
    return f"{purpose}-{secrets.token_hex(3)}"


def _recovery(track: Track, events: int, number: int) -> dict[str, Any]:
    """Kill the TaskManager; seconds until the first row after it, and whether all rows came once."""
    site, topic = track.site, _topic("recovery")
    site.say(f"recovery from kill -9 of the TaskManager, run {number}")
    goal = fill(site, topic, Load(events))
    empty(site)
    with streaming(settings_of(track.race(OURS, topic))):
        _until(site, int(goal.rows * KILL_AT))
        os.kill(servers(site.stack)[TASKMANAGER].pid, signal.SIGKILL)
        killed_at = time.monotonic()
        rows = _when_still(site)
        _until(site, rows + 1)
        recovered_s = time.monotonic() - killed_at
        watch(site, EVENTS, goal, lambda: None)
        found, distinct = tally(site, EVENTS)
    delete_topic(site.kafka, topic)
    site.say(f"  {recovered_s:.1f} s")
    exact = found == distinct == goal.rows
    return {"run": number, "seconds": recovered_s, "void": "" if exact else f"{found:,} rows, {distinct:,} event_ids"}


def _until(site: Site, rows: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while newest_id(site, EVENTS) < rows:
        if time.monotonic() > deadline:
            raise StalledError(f"fewer than {rows:,} rows after {PATIENCE_S:.0f} s")
        time.sleep(POLL_S)


def _when_still(site: Site) -> int:
    """The newest id once nothing has landed for a moment: sessions of the killed process may still commit."""
    newest, since = newest_id(site, EVENTS), time.monotonic()
    while time.monotonic() < since + IDLE_S / 2:
        time.sleep(POLL_S)
        if (now := newest_id(site, EVENTS)) != newest:
            newest, since = now, time.monotonic()
    return newest


def _catch_up(track: Track, outage_s: float, rate_per_s: int) -> dict[str, Any]:
    """Stop the job with a savepoint, let events pile up, start it again; the load goes on."""
    site, topic = track.site, _topic("outage")
    site.say(f"outage of {outage_s:.0f} s under {rate_per_s:,} events/s")
    site.kafka.ensure_topic(TopicSpec(topic, Load(0).partitions, 1, DAY_MS))
    empty(site)
    race = track.race(OURS, topic)
    settings = settings_of(race)
    with streaming(settings):
        producer = _producer(site, race, rate_per_s)
        try:
            _until(site, rate_per_s)
            stream(settings).stop()
            time.sleep(outage_s)
            began = time.monotonic()
            stream(settings).ensure_running()
            samples = _chase(site, topic, rate_per_s)
        finally:
            producer.stop()
    delete_topic(site.kafka, topic)
    landed = samples[-1].rows - samples[0].rows
    moved = [Sample(s.at_s, s.rows - samples[0].rows) for s in samples]
    return {
        "outage_s": outage_s,
        "load_per_s": rate_per_s,
        "seconds": samples[-1].at_s - began,
        "rows": landed,
        "rate": rate_between(moved) if landed else 0.0,
    }


def _producer(site: Site, race: Race, rate_per_s: int) -> Program:
    return Program("producer", steady(site, race.topic, rate_per_s), site.folder / f"{race.run}-producer.log")


def _chase(site: Site, topic: str, rate_per_s: int) -> list[Sample]:
    """Samples until the rows are less than two seconds of load behind the topic's end."""
    samples = [Sample(time.monotonic(), newest_id(site, EVENTS))]
    while True:
        time.sleep(POLL_S * 4)
        behind = sum(span.end for span in site.kafka.offsets(topic).values()) - newest_id(site, EVENTS)
        samples.append(Sample(time.monotonic(), newest_id(site, EVENTS)))
        if behind < 2 * rate_per_s:
            return samples
        if samples[-1].at_s - samples[0].at_s > PATIENCE_S and samples[-1].rows == samples[0].rows:
            raise StalledError(f"no row landed within {PATIENCE_S:.0f} s of the start")
