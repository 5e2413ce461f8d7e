"""Producers as processes of this machine.

Below `<run_dir>/producers` lie, besides the report, a producer's log (`.log`) and its process (`.pid`: process id and
start time, so that a process id used again is never mistaken for it).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.local.detach import detach
from orchestration.resources.producer import ProducerResource


@dataclass(frozen=True, kw_only=True)
class ProducerProcesses(ProducerResource):
    """Each producer has a session of its own."""

    working_dir: str

    def _launches(self) -> Sequence[str]:
        return self._marked(".pid")

    def _alive(self) -> Collection[str]:
        return self._processes().keys()

    def _start(self, name: str, arguments: Sequence[str]) -> None:
        folder = self._folder()
        pid = detach((sys.executable, *arguments), folder / f"{name}.log", self.working_dir)
        (folder / f"{name}.pid").write_text(json.dumps({"pid": pid, "created_at": _created_at(pid)}))

    def _end(self, names: Collection[str], timeout_s: float) -> int:
        asked = [process for name, process in self._processes().items() if name in names]
        for process in asked:
            process.terminate()
        _, alive = psutil.wait_procs(asked, timeout=timeout_s)
        return len(alive)

    def _log(self, name: str) -> str:
        return (self._folder() / f"{name}.log").read_text(errors="replace")

    def _processes(self) -> dict[str, psutil.Process]:
        found = {path.stem: _process(path) for path in self._folder().glob("*.pid")}
        return {name: process for name, process in found.items() if process is not None}


def _process(pid_file: Path) -> psutil.Process | None:
    """The process that the file names, if it is still the same one and alive."""
    known = json.loads(pid_file.read_text())
    try:
        process = psutil.Process(known["pid"])
        same = abs(process.create_time() - known["created_at"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def _created_at(pid: int) -> float:
    """Start of the process in Unix seconds; 0 if it has ended already."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0
