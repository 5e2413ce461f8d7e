"""Consumers written by hand, in one process or two of one group."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager

from bench.contestants.contestant import Contestant, Race, Starter, running, sessions
from bench.processes import Program
from bench.table import EVENTS, PLAIN

__all__ = ["HANDWRITTEN_1", "HANDWRITTEN_2", "HANDWRITTEN_2_PROVENANCE"]


def _starter(processes: int, table: str) -> Starter:
    def start(race: Race) -> AbstractContextManager[list[Program]]:
        servers = race.site.settings.kafka_bootstrap_servers
        command = (sys.executable, "-m", "bench.programs.handwritten", servers, race.topic, race.run, table)
        return running(
            [
                Program(f"consumer-{n}", command, race.site.folder / f"{race.run}-{n}.log", sessions(race.site))
                for n in range(1, processes + 1)
            ]
        )

    return start


HANDWRITTEN_1 = Contestant("handwritten-1", _starter(1, PLAIN), PLAIN)
HANDWRITTEN_2 = Contestant("handwritten-2", _starter(2, PLAIN), PLAIN)
HANDWRITTEN_2_PROVENANCE = Contestant("handwritten-2-provenance", _starter(2, EVENTS), EVENTS)
