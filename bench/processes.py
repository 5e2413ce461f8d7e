"""CPU time and memory of servers, and programs that the benchmark starts."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from infra.local.stack import Stack
from orchestration.settings import REPOSITORY, child_environment

__all__ = ["DATA_SERVERS", "FLINK_SERVERS", "Program", "ProgramEndedError", "cpu_s", "memory_mb", "servers"]

DATA_SERVERS: Final = ("kafka", "postgres")
FLINK_SERVERS: Final = ("flink-jobmanager", "flink-taskmanager")
_STOP_S: Final = 30.0


class ProgramEndedError(Exception):
    """A program ended that should have gone on; the message has its last words."""


class Program:
    """A program that runs until it is stopped; its output goes to a log.

    `used_s` is the CPU time that is not this run's: set by who lets a program go on from run to run.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._log = log
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                list(command), cwd=REPOSITORY, env=child_environment(**(environment or {})), stdout=output,
                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        self.process = psutil.Process(self._popen.pid)
        self.used_s = 0.0

    def check(self) -> None:
        """Raises: ProgramEndedError, unless it runs or has ended well."""
        if self._popen.poll():
            lines = self._log.read_text(errors="replace").strip().splitlines()
            raise ProgramEndedError(
                f"{self.name} ended with {self._popen.returncode}: {lines[-1] if lines else 'no word'}"
            )

    def wait(self, timeout_s: float) -> str:
        """Its output once it has ended well. Raises: ProgramEndedError, subprocess.TimeoutExpired."""
        self._popen.wait(timeout_s)
        self.check()
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        """End it: TERM, then KILL."""
        for act in (self._popen.terminate, self._popen.kill):
            with contextlib.suppress(subprocess.TimeoutExpired):
                act()
                self._popen.wait(_STOP_S)
                return


def servers(stack: Stack) -> dict[str, psutil.Process]:
    """The stack's servers by the supervisor's names."""
    return {state.name: psutil.Process(state.pid) for state in stack.states() if state.pid}


def cpu_s(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    """User and system time so far of each process with its descendants, also those that have ended."""
    return {name: sum(map(_own_cpu_s, _family(process))) for name, process in processes.items()}


def memory_mb(processes: Mapping[str, psutil.Process]) -> dict[str, float]:
    """Memory of each process with its descendants, in MiB; what processes share (Postgres' buffers) is counted once."""
    return {name: sum(map(_own_bytes, _family(process))) / 1024**2 for name, process in processes.items()}


def _family(process: psutil.Process) -> Iterable[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return ()


def _own_cpu_s(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        # Of children that have ended, such as a Postgres session, the parent keeps the time.
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def _own_bytes(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        return float(process.memory_full_info().pss)
    return 0.0
