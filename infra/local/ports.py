"""Ports of the local stack: fixed ones are respected, the others are the defaults or, when taken, free ones."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import chain

from infra.local.errors import SetupError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """TCP ports, all on loopback."""

    kafka: int = 9092
    kafka_controller: int = 9093
    postgres: int = 5432
    flink_rest: int = 8081
    flink_rpc: int = 6123
    dagster: int = 3000
    dagster_code: int = 4000
    kafka_metrics: int = 9404
    flink_jobmanager_metrics: int = 9249
    flink_taskmanager_metrics: int = 9250
    metrics: int = 9251


@dataclass(frozen=True)
class Listener:
    """Where a server listens, and where it tells its clients that it does, such as at a proxy before it."""

    port: int
    advertised_port: int
    host: str = LOOPBACK
    advertised_host: str = LOOPBACK


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def any_free_port() -> int:
    """A port that the kernel picks."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def any_free_ports() -> Ports:
    """A port of its own for each server, so that no other stack is in the way."""
    names = [field.name for field in fields(Ports)]
    found: dict[str, int] = {}
    while len(set(found.values())) < len(names):
        found = {name: any_free_port() for name in names}
    return Ports(**found)


def choose(
    fixed: dict[str, int],
    previous: dict[str, int],
    free: Callable[[int], bool] = is_free,
    pick: Callable[[], int] = any_free_port,
) -> Ports:
    """Choose each port: fixed by a setting, else the one of the last start, else the default, else any free one.

    Raises:
        SetupError: a fixed port is taken, or two settings name the same one.
    """
    _check_fixed(fixed, free)
    chosen = dict(fixed)
    for field in fields(Ports):
        name = field.name
        if name in fixed:
            continue
        usual = [*([previous[name]] if name in previous else []), int(str(field.default))]
        candidates = chain((port for port in usual if free(port)), iter(pick, None))
        chosen[name] = next(port for port in candidates if port not in chosen.values())
    return Ports(**chosen)


def _check_fixed(fixed: dict[str, int], free: Callable[[int], bool]) -> None:
    for name, port in fixed.items():
        setting = f"PI3_LOCAL_{name.upper()}_PORT"
        if list(fixed.values()).count(port) > 1:
            raise SetupError(f"port {port} ({setting}) is set for two servers: give each a port of its own")
        if not free(port):
            raise SetupError(
                f"port {port} ({setting}) is taken on {LOOPBACK}: stop what listens there, set another port, or leave "
                "the setting out and a free one is chosen"
            )
