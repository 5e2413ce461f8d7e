"""The server processes of a stack: found by the supervisor's names, and treated badly."""

from __future__ import annotations

import contextlib
import os
import signal
import time

import psutil

from infra.local.stack import Stack
from infra.local.supervisor import orphans, wait_until

_START_TIMEOUT_S = 60.0


class Servers:
    """`kafka`, `postgres`, `flink-jobmanager`, `flink-taskmanager`, `dagster-code`, `-webserver` and `-daemon`."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def pids(self, server: str) -> list[int]:
        """The server's process and then its descendants; empty while it does not run."""
        main = [state.pid for state in self._stack.states() if state.name == server and state.pid]
        with contextlib.suppress(psutil.NoSuchProcess):
            return main + [child.pid for pid in main for child in psutil.Process(pid).children(recursive=True)]
        return []

    def signal(self, server: str, number: signal.Signals, *, family: bool = False) -> list[int]:
        """Send a signal to the server's process, or to its descendants too; returns who got it.

        Raises:
            RuntimeError: the server does not run, so the signal would hit nobody.
        """
        found = self.pids(server)
        if not found:
            raise RuntimeError(f"{server} does not run, so it cannot get {number.name}")
        hit = found if family else found[:1]
        for pid in hit:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return hit

    def stop(self, server: str) -> None:
        """Stop it in its orderly way, and let it stay down."""
        self._stack.supervisor.stop_program(server)

    def start(self, server: str) -> None:
        """Let the supervisor start it, unless it runs; returns at once."""
        self._stack.supervisor.start_program(server)

    def replaced(self, server: str, old_pid: int) -> bool:
        """Whether the supervisor has started it anew."""
        return self.pids(server)[:1] not in ([], [old_pid])

    def wait_until_replaced(self, server: str, old_pid: int) -> None:
        """Wait until it has been started anew.

        Raises:
            RuntimeError: it has not, within a minute.
        """
        if not wait_until(lambda: self.replaced(server, old_pid), _START_TIMEOUT_S):
            raise RuntimeError(f"{server} was not started again")

    def submitters(self) -> list[int]:
        """Processes that are submitting a Flink job."""
        found = []
        for process in orphans(self._stack.paths.root):
            with contextlib.suppress(psutil.Error):
                if "flink_jobs.main" in process.cmdline():
                    found.append(process.pid)
        return found

    def kill_everything(self) -> int:
        """Kill every process of the stack, the supervisor first, so that it starts nothing again; returns how many."""
        found = orphans(self._stack.paths.root)
        found.sort(key=lambda process: "supervisord" not in " ".join(process.cmdline()))
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        deadline = time.monotonic() + 10
        while orphans(self._stack.paths.root) and time.monotonic() < deadline:
            time.sleep(0.1)
        return len(found)

    def wake(self) -> None:
        """Let every process of the stack go on that was stopped by a signal."""
        for process in orphans(self._stack.paths.root):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)
