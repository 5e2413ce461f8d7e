"""One run of one contestant over a whole topic, measured."""

from __future__ import annotations

import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from bench.contestants.contestant import Contestant, Race
from bench.figures import Sample, per_event_us, rate_between
from bench.load import Goal
from bench.own_stack import Site
from bench.processes import Program, cpu_s, memory_mb, servers
from bench.table import empty, rows_in, tally, watch

__all__ = ["Result", "Track", "first_line"]

CURVE_POINTS: Final = 200


@dataclass(frozen=True)
class Result:
    """Of one run. `void` says why it does not count; rates are rows/s, `whole_s` is from launch to last row.

    `cpu_us` is an event's, `memory_mb` at the end, both by process; `curve` holds seconds since launch and rows.
    """

    contestant: str
    run: int
    rows: int = 0
    distinct: int = 0
    rate: float = 0.0
    whole_s: float = 0.0
    cpu_us: dict[str, float] = field(default_factory=dict)
    memory_mb: dict[str, float] = field(default_factory=dict)
    curve: list[tuple[float, int]] = field(default_factory=list)
    void: str = ""


class Track:
    """Where contestants run one after another; a context manager that ends what they keep between runs."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._keep = ExitStack()
        self._kept: dict[str, Any] = {}

    def __enter__(self) -> Track:
        return self

    def __exit__(self, *_: object) -> None:
        self._keep.close()

    def race(self, contestant: Contestant, topic: str) -> Race:
        """A run of its own name."""
        run = f"{contestant.name.replace('+', '-')}-{secrets.token_hex(3)}"
        return Race(self.site, topic, run, self._keep, self._kept)

    def run(self, contestant: Contestant, topic: str, goal: Goal, number: int, *, fresh: bool = True) -> Result:
        """Run until the goal is reached; a contestant that fails is told in the result.

        `fresh` False leaves the table as it is.
        """
        if fresh:
            empty(self.site)
        base = rows_in(self.site, contestant.table)
        try:
            return self._measure(contestant, self.race(contestant, topic), goal, number, base)
        except Exception as error:  # whatever a rival's library raises is why it has no figure
            return Result(contestant.name, number, *tally(self.site, contestant.table), void=first_line(error))

    def _measure(self, contestant: Contestant, race: Race, goal: Goal, number: int, base: int) -> Result:
        mine = {name: process for name, process in servers(self.site.stack).items() if name in contestant.servers}
        before = cpu_s(mine)
        began = time.monotonic()
        with contestant.start(race) as programs:
            seen = mine | {program.name: program.process for program in programs}
            # What a program that runs on has used before this run.
            before |= {p.name: p.used_s for p in programs}
            samples = watch(self.site, contestant.table, goal, lambda: _check(programs), base=base)
            cpu_us = per_event_us(before, cpu_s(seen), goal.events)
            memory = memory_mb(seen)
            found, distinct = tally(self.site, contestant.table)
        return Result(
            contestant=contestant.name,
            run=number,
            rows=found - base,
            distinct=distinct - base,
            rate=rate_between([Sample(began, 0), *samples]),
            whole_s=samples[-1].at_s - began,
            cpu_us=cpu_us,
            memory_mb=memory,
            curve=_thinned([(round(s.at_s - began, 2), s.rows) for s in samples]),
            void=""
            if found == distinct == goal.rows + base
            else f"{found - base:,} rows, {distinct - base:,} event_ids",
        )


def first_line(error: Exception) -> str:
    """What an exception says, in one line."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _check(programs: list[Program]) -> None:
    for program in programs:
        program.check()


def _thinned(curve: list[tuple[float, int]]) -> list[tuple[float, int]]:
    step = max(1, len(curve) // CURVE_POINTS)
    return [*curve[:-1:step], *curve[-1:]]
