"""The suite: one trial after the other, on a stack that is made anew when a fault has spoilt it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Protocol

from tests.faults import report
from tests.faults.fault import Fault
from tests.faults.outcome import Outcome, Verdict
from tests.faults.schedule import turns
from tests.faults.site import Site
from tests.faults.trial import Trial

Say = Callable[[str], None]


class OpenSite(Protocol):
    """Starts a site, with or without disks of limited size."""

    def __call__(self, *, disks: bool) -> AbstractContextManager[Site]:
        """The site is stopped when the context ends."""


def run_all(faults: Iterable[Fault], open_site: OpenSite, folder: Path, say: Say) -> list[Outcome]:
    """One trial for each fault; writes the report anew after each. Always comes to the end."""
    outcomes: list[Outcome] = []
    with ExitStack() as stack:
        places = _Places(stack, open_site)
        for fault in faults:
            say(f"--- {fault.name} ({fault.group})")
            outcomes.append(_one(fault, places, folder, say))
            say(f"--- {fault.name}: {outcomes[-1].verdict.value} {'; '.join(outcomes[-1].notes)}")
            report.write(folder / "report", outcomes)
    return outcomes


def _one(fault: Fault, places: _Places, folder: Path, say: Say) -> Outcome:
    def tell(words: str) -> None:
        say(f"{fault.name}: {words}")

    try:
        site = places.of(fault)
    except Exception as error:  # the next fault may find a stack that starts
        return Outcome(fault.name, fault.group, Verdict.UNKNOWN, notes=[f"the stack did not start: {error}"])
    outcome = Trial(site, fault, folder / "trials" / fault.name, tell).run()
    if fault.spoils or outcome.verdict in (Verdict.RED, Verdict.UNKNOWN):
        places.leave()
    return outcome


class _Places:
    """Keeps the site of the last trial for the next one, if it will do."""

    def __init__(self, stack: ExitStack, open_site: OpenSite) -> None:
        self._stack = stack
        self._open_site = open_site
        self._found: Site | None = None
        self._disks = False

    def of(self, fault: Fault) -> Site:
        if self._found is None or self._disks is not fault.wants_disks:
            self.leave()
            self._disks = fault.wants_disks
            self._found = self._stack.enter_context(self._open_site(disks=fault.wants_disks))
        return self._found

    def leave(self) -> None:
        self._found = None
        self._stack.close()


def scheduled(faults: list[Fault], seed: int, minutes: float, say: Say) -> Iterator[Fault]:
    """Faults by the seed's schedule, with pauses, until the time is up; at least one."""
    until = time.monotonic() + 60 * minutes
    for turn in turns(seed, len(faults)):
        say(f"seed {seed}: {faults[turn.place].name} in {turn.pause_s:g} s")
        time.sleep(turn.pause_s)
        yield faults[turn.place]
        if time.monotonic() > until:
            return
