"""What `pi3 doctor` makes of what it finds: pure decisions, each a finding with its fix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

GIB: Final = 1024**3
CLOCK_WARN_S: Final = 2.0


class State(str, Enum):
    """How a finding is to be taken."""

    OK = "ok"
    WARN = "WARN"
    ERROR = "ERROR"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `fix` is empty where there is nothing to do."""

    state: State
    what: str
    found: str
    fix: str = ""


@dataclass(frozen=True)
class Privilege:
    """A privilege of a role on a table, wanted or, as the roles are told apart by it, not wanted."""

    role: str
    table: str
    privilege: str
    wanted: bool = True


PRIVILEGES: Final = (
    Privilege("owner", "events", "DELETE"),
    Privilege("writer", "events", "SELECT"),
    Privilege("writer", "events", "INSERT"),
    Privilege("writer", "events", "UPDATE"),
    Privilege("writer", "events", "DELETE", wanted=False),
    Privilege("writer", "ledger", "INSERT", wanted=False),
    Privilege("reader", "events", "SELECT"),
    Privilege("reader", "ledger", "SELECT"),
    Privilege("reader", "events", "INSERT", wanted=False),
    Privilege("auditor", "ledger", "INSERT"),
    Privilege("auditor", "dead_letters", "INSERT"),
    Privilege("auditor", "gone_acknowledgements", "INSERT"),
    Privilege("auditor", "gone_acknowledgements", "DELETE", wanted=False),
    Privilege("auditor", "events", "INSERT", wanted=False),
)


def python(version: tuple[int, int], supported: Sequence[tuple[int, int]]) -> Finding:
    """The interpreter must be one that set-up takes."""
    name = ".".join(map(str, version))
    if version in supported:
        return Finding(State.OK, "python", name)
    names = ", ".join(".".join(map(str, known)) for known in supported)
    return Finding(State.ERROR, "python", name, f"install one of {names}, remove .stack/venv, then `make setup`")


def disk(free_bytes: int, needed_bytes: int) -> Finding:
    """Servers need room; twice as much is comfortable."""
    found = f"{free_bytes / GIB:.1f} GiB free"
    if free_bytes >= 2 * needed_bytes:
        return Finding(State.OK, "disk", found)
    state = State.WARN if free_bytes >= needed_bytes else State.ERROR
    return Finding(state, "disk", found, f"free some space: the servers need {needed_bytes / GIB:.0f} GiB at least")


def supervised(states: Mapping[str, str]) -> list[Finding]:
    """Every server runs; `states` by name, empty where no supervisor answers."""
    if not states:
        return [Finding(State.WARN, "supervisor", "not running", "`make run`, unless you bring servers of your own")]
    wrong = {name: state for name, state in states.items() if state != "RUNNING"}
    told = [
        Finding(State.ERROR, f"server {name}", state, f"`pi3 logs {name}` says why") for name, state in wrong.items()
    ]
    return told or [Finding(State.OK, "supervisor", f"{len(states)} servers run")]


def ports(wanted: Mapping[str, int], taken: Iterable[str], running: bool) -> Finding:
    """Of a stack that runs each port is taken, by its server; of one that is to be started a fixed one must be free.

    `wanted`: by server; `taken`: the servers whose port somebody listens on.
    """
    listening = set(taken)
    wrong = sorted(wanted.keys() - listening if running else wanted.keys() & listening)
    if not wrong:
        return Finding(
            State.OK, "ports", ", ".join(f"{name} {port}" for name, port in wanted.items()) or "none is fixed"
        )
    told = ", ".join(f"{name} {wanted[name]}" for name in wrong)
    if running:
        return Finding(State.ERROR, "ports", f"nobody listens: {told}", "`pi3 logs` of the server says why")
    return Finding(State.ERROR, "ports", f"taken: {told}", "free the port, or leave PI3_LOCAL_…_PORT out")


def drift(what: str, lines: Sequence[str], fix: str) -> Finding:
    """Something that is there and should be as described."""
    return Finding(State.ERROR, what, "; ".join(lines), fix) if lines else Finding(State.OK, what, "as wanted")


def privileges(wanted: Sequence[Privilege], granted: Sequence[bool | None]) -> Finding:
    """Each role has what it needs and not what tells it apart; None: the table is absent."""
    wrong = [
        f"{item.role} {'lacks' if item.wanted else 'has'} {item.privilege} on {item.table}"
        for item, has in zip(wanted, granted, strict=True)
        if bool(has) != item.wanted
    ]
    return drift("privileges", wrong, "materialise the asset events_table in Dagster, which grants them anew")


def clock(ahead_s: float) -> Finding:
    """Postgres' clock beside ours: latencies and hours are told from both."""
    found = f"Postgres is {abs(ahead_s):.1f} s {'ahead' if ahead_s > 0 else 'behind'}"
    if abs(ahead_s) <= CLOCK_WARN_S:
        return Finding(State.OK, "clock", found)
    return Finding(State.WARN, "clock", found, "synchronise the clocks (NTP): latencies and hours are off by that")
