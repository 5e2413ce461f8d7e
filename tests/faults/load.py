"""The load: `python -m producer` as a process of its own, with a journal. One that ended can be followed by another."""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from orchestration.settings import REPOSITORY
from tests.faults.journal import Journal, read

# The producer gives the flush of what it holds 20 s.
_STOP_TIMEOUT_S: Final = 30.0
_SHARES: Final = ("--malformed-share", "0.01", "--duplicate-share", "0.01")


class Load:
    """The producers of one trial; `began_at` is Unix time, `since_id` the newest row's id at that time."""

    def __init__(self, bootstrap_servers: str, topic: str, folder: Path, rate_per_s: float, since_id: int) -> None:
        self._command = (sys.executable, "-W", "ignore", "-m", "producer", *_SHARES, "--rate", f"{rate_per_s:g}",
                         "--bootstrap-servers", bootstrap_servers, "--topic", topic)  # fmt: skip
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.since_id = since_id
        self.began_at = time.time()

    def start(self) -> None:
        """Let another producer begin, with events of its own."""
        name = self._name(len(self._processes))
        self._folder.mkdir(parents=True, exist_ok=True)
        journal, report = self._folder / f"{name}.journal", self._folder / f"{name}.json"
        command = (*self._command, "--seed", str(secrets.randbits(40)), "--id", name)
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    (*command, "--journal", str(journal), "--report", str(report)),
                    cwd=REPOSITORY,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )

    @property
    def running(self) -> bool:
        """Whether the newest producer runs."""
        return bool(self._processes) and self._processes[-1].poll() is None

    @property
    def exit_code(self) -> int | None:
        """Of the newest producer; negative for a signal, None while it runs."""
        return self._processes[-1].poll()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the newest producer."""
        self._processes[-1].send_signal(number)

    def report(self) -> dict[str, Any]:
        """What the newest producer says of itself; empty before its first word."""
        try:
            return dict(json.loads((self._folder / f"{self._name(len(self._processes) - 1)}.json").read_text()))
        except (OSError, ValueError):
            return {}

    def stop(self) -> None:
        """Ask every producer to flush and end; one that cannot is killed, its journal tells what was not answered."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_TIMEOUT_S)
            process.kill()
            process.wait()

    def journals(self) -> list[Journal]:
        """What was sent, by each producer that came so far as to send."""
        paths = (self._folder / f"{self._name(number)}.journal" for number in range(len(self._processes)))
        return [read(path) for path in paths if path.exists()]

    def forget(self) -> None:
        """Remove the journals, some 100 bytes a record."""
        for path in self._folder.glob("*.journal"):
            path.unlink()

    @staticmethod
    def _name(number: int) -> str:
        return f"load-{number + 1}"
