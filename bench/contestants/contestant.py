"""What every contestant is to the benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.own_stack import Site
from bench.processes import DATA_SERVERS, Program
from bench.table import PLAIN

__all__ = ["Contestant", "Race", "Starter", "running", "sessions"]


@dataclass(frozen=True)
class Race:
    """The topic to read from its begin, and a name that no run had before: of groups, jobs and logs.

    `keep` outlives the run, for what a contestant starts once, such as a server of its own, and finds again in `kept`.
    """

    site: Site
    topic: str
    run: str
    keep: ExitStack
    kept: dict[str, Any] = field(default_factory=dict)


# Starts reading, and stops at the end; yields the programs that are its own.
Starter = Callable[[Race], AbstractContextManager[list[Program]]]


@dataclass(frozen=True)
class Contestant:
    """A way from the topic into a table. `servers` are those of the stack that work for it. `warms_up`: it runs in a
    server that goes on from run to run, so the first run is of cold code and is not counted."""

    name: str
    start: Starter
    table: str = PLAIN
    servers: tuple[str, ...] = DATA_SERVERS
    warms_up: bool = False


@contextmanager
def running(programs: list[Program]) -> Iterator[list[Program]]:
    """Stop the programs at the end."""
    try:
        yield programs
    finally:
        for program in programs:
            program.stop()


def sessions(site: Site) -> Mapping[str, str]:
    """libpq's environment for a program that writes as the tables' owner."""
    settings = site.settings
    return {
        "PGHOST": settings.postgres_host,
        "PGPORT": str(settings.postgres_port),
        "PGDATABASE": settings.postgres_database,
        "PGUSER": settings.postgres_owner,
        "PGPASSWORD": settings.postgres_owner_password.get_secret_value(),
    }
