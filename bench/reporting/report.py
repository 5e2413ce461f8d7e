"""report.md: every experiment that raw.json holds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bench.reporting import sections

__all__ = ["markdown"]

_HEAD: Final = """\
# Benchmark report

Written by `make bench`; how to read it is in docs/benchmarks.md. Ratios are of medians. Absolute figures are those of
one small machine that ran every server, and are colour.
"""
_SMOKE: Final = "**A smoke run, to see that all works: its figures mean nothing.**\n\n"
SECTIONS: Final[Mapping[str, tuple[str, Callable[[Mapping[str, Any]], str]]]] = {
    "throughput": ("Throughput", sections.throughput),
    "latency": ("Latency", sections.latency),
    "growth": ("Growth", sections.growth),
    "ledger": ("Recovery and catching up", sections.ledger),
    "producer": ("Producer", sections.producer),
    "start": ("Commands", sections.start),
    "idle": ("Idle stack", sections.idle),
    "hour": ("An hour of events", sections.hour),
}


def markdown(raw: Mapping[str, Any]) -> str:
    """The whole report; an experiment that was not run has no section."""
    parts = [_HEAD]
    for name, (title, section) in SECTIONS.items():
        if name in raw:
            warning = _SMOKE if raw[name].get("smoke") else ""
            parts.append(f"## {title}\n\n{warning}{_machine(raw[name]['machine'])}\n\n{section(raw[name])}")
    return "\n".join(parts)


def _machine(machine: Mapping[str, Any]) -> str:
    return (
        f"Measured {machine['at']} on {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, "
        f"Python {machine['python']}, revision {machine['revision']}."
    )
