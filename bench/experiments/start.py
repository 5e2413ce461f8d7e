"""Seconds of the commands that a user waits for: `make run` on an empty folder and on one with state, and a check."""

from __future__ import annotations

import sys
import time
from typing import Any, Final

from bench.own_stack import Site
from bench.processes import Program
from infra.local.supervisor import MARKER
from orchestration.cli.dagster_api import DagsterApi
from orchestration.settings import read_settings

__all__ = ["measure"]

TIMEOUT_S: Final = 300.0


def measure(site: Site, runs: int) -> dict[str, Any]:
    """Plain values: seconds of each command in each run. The jars and the environment are there before."""
    results = []
    for number in range(1, runs + 1):
        _command(site, "clean")
        steps = {
            "make run, cold": _command(site, "run"),
            "health check": _health_check(site),
            "make stop": _command(site, "stop"),
            "make run, warm": _command(site, "run"),
        }
        site.say(f"run {number}: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in steps.items()))
        results += [{"contestant": name, "run": number, "seconds": seconds} for name, seconds in steps.items()]
    _command(site, "clean")
    return {"results": results}


def _command(site: Site, name: str) -> float:
    """What the Makefile's target of that name does, on the benchmark's folder."""
    root = site.stack.paths.root
    command = (sys.executable, "-W", "ignore", "-m", "orchestration", name)
    # Without the mark of what a start or a stop of this stack ends.
    environment = {"PI3_STACK_DIR": str(root), MARKER: ""}
    began = time.monotonic()
    Program(name, command, root.with_name("bench-start.log"), environment).wait(TIMEOUT_S)
    return time.monotonic() - began


def _health_check(site: Site) -> float:
    api = DagsterApi(read_settings(site.stack.paths.root, None).dagster_url)
    began = time.monotonic()
    api.run("health_check", lambda *_: None)
    return time.monotonic() - began
