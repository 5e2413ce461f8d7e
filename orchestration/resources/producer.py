"""Producers as processes of their own: launched detached, found again by their reports, stopped by their process id.

A producer outlives the Dagster run that launched it, and the code server. Each launch has a name of its own,
`<id>-<n>`; below `<run_dir>/producers` lie its report (`.json`, the producer writes it), its log (`.log`) and its
process (`.pid`: process id and start time, so that a process id used again is never mistaken for it).
"""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

# Dagster's own mark for a resource that is a plain object, as its Pipes clients are.
from dagster._core.definitions.resource_annotation import TreatAsResourceParam
from pydantic import SecretStr

from infra.local.secrets import write_private
from orchestration.errors import ConfigurationError, TransientError

STOP_TIMEOUT_S = 30.0
START_TIMEOUT_S = 20.0
# A shell that ends at once: the producer is then no child of ours, which we would have to wait for when it ends.
DETACH = 'log=$1; shift; "$@" >>"$log" 2>&1 & echo $!'


@dataclass(frozen=True)
class ProducerSpec:
    """What to send: a file (NDJSON or CSV, sent once) or, without one, generated events (`count` 0 = for ever)."""

    id: str
    file: Path | None = None
    rate_per_s: float = 0.0
    count: int = 0
    seed: int = 0
    malformed_share: float = 0.0
    late_share: float = 0.0
    duplicate_share: float = 0.0


@dataclass(frozen=True)
class ProducerReport:
    """What a producer says of itself; `state` is running, finished, stopped, failed, or died (it ended
    unannounced)."""

    name: str
    state: str
    source: str
    acknowledged: int
    failed: int
    refused: int
    duplicates: dict[int, int]
    acknowledged_by_partition: dict[int, int]
    error: str | None


@dataclass(frozen=True)
class Launched:
    """The producer that serves a spec now: `action` is launched, adopted (it runs) or finished (its file is sent)."""

    name: str
    action: str


@dataclass(frozen=True)
class ProducerResource(TreatAsResourceParam):
    """Launches `python -m producer` against one topic; `options` are those of its Kafka client."""

    run_dir: str
    working_dir: str
    bootstrap_servers: str
    topic: str
    options: Mapping[str, SecretStr] = field(default_factory=dict)

    def ensure(self, spec: ProducerSpec) -> Launched:
        """Launch the producer unless it runs, or has sent its file to the end.

        A generator that is launched again continues with another seed, so that it never repeats its events.

        Raises:
            ConfigurationError: the producer failed before its first event; the message carries its own words.
        """
        with self._lock():
            return self._ensure(spec)

    def _ensure(self, spec: ProducerSpec) -> Launched:
        former = [report for report in self.reports() if report.name.rpartition("-")[0] == spec.id]
        if former and former[-1].state == "running":
            return Launched(former[-1].name, "adopted")
        if former and former[-1].state == "finished" and spec.file is not None:
            return Launched(former[-1].name, "finished")
        name = f"{spec.id}-{len(former) + 1}"
        self._launch(name, spec, len(former))
        return Launched(name, "launched")

    def reports(self) -> list[ProducerReport]:
        """One report per launch, in the order of the launches."""
        files = sorted(self._folder().glob("*.pid"), key=lambda path: path.stat().st_mtime_ns)
        return [self._report(path.stem) for path in files]

    def stop_all(self, timeout_s: float = STOP_TIMEOUT_S) -> list[str]:
        """Ask every running producer to flush and end; returns their names once all have ended.

        Raises:
            TransientError: one is still flushing after `timeout_s`; its events are not lost, ask again.
        """
        found = {path.stem: _process(path) for path in self._folder().glob("*.pid")}
        running = {name: process for name, process in found.items() if process is not None}
        for process in running.values():
            process.terminate()
        _, alive = psutil.wait_procs(list(running.values()), timeout=timeout_s)
        if alive:
            raise TransientError(f"{len(alive)} producers still flush after {timeout_s:.0f} s; stop them again")
        return sorted(running)

    def duplicates(self) -> dict[int, int]:
        """Events sent again under an event_id used before, per partition, as the producers know them."""
        return _sum(report.duplicates for report in self.reports())

    def acknowledged(self) -> dict[int, int]:
        """Events that the broker has acknowledged to our producers, per partition."""
        return _sum(report.acknowledged_by_partition for report in self.reports())

    def _folder(self) -> Path:
        folder = Path(self.run_dir) / "producers"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One launch at a time: two runs that ask for the same producer get the same one."""
        with (self._folder() / "launch.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _launch(self, name: str, spec: ProducerSpec, former: int) -> None:
        folder = self._folder()
        command = [sys.executable, "-m", "producer", *self._flags(name, spec, former)]
        shell = subprocess.run(
            ["/bin/sh", "-c", DETACH, "sh", str(folder / f"{name}.log"), *command],
            cwd=self.working_dir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
            check=True,
        )
        pid = int(shell.stdout)
        (folder / f"{name}.pid").write_text(json.dumps({"pid": pid, "created_at": _created_at(pid)}))
        self._await_start(name)

    def _flags(self, name: str, spec: ProducerSpec, former: int) -> list[str]:
        flags: dict[str, object] = {
            "bootstrap-servers": self.bootstrap_servers,
            "topic": self.topic,
            "id": name,
            "report": self._folder() / f"{name}.json",
            "rate": spec.rate_per_s,
        }
        if self.options:
            flags["client-options"] = self._private_options()
        if spec.file is not None:
            flags["file"] = spec.file
        else:
            flags |= {
                "count": spec.count,
                "seed": spec.seed + former,
                "malformed-share": spec.malformed_share,
                "late-share": spec.late_share,
                "duplicate-share": spec.duplicate_share,
            }
        return [f"--{flag}={value}" for flag, value in flags.items()]

    def _private_options(self) -> Path:
        path = self._folder() / "client_options"
        write_private(path, json.dumps({name: value.get_secret_value() for name, value in self.options.items()}))
        return path

    def _await_start(self, name: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            report = self._report(name)
            if report.state in ("failed", "died"):
                log = (self._folder() / f"{name}.log").read_text(errors="replace").strip()
                raise ConfigurationError(f"producer {name} ended at once: {report.error or log.rpartition(chr(10))[2]}")
            if report.state != "running" or report.acknowledged:
                return
            time.sleep(0.1)

    def _report(self, name: str) -> ProducerReport:
        folder = self._folder()
        path = folder / f"{name}.json"
        # Before the report is read: of a process that has ended, what we then read is its last word.
        alive = _process(folder / f"{name}.pid") is not None
        told: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"state": "running"}
        state = "died" if told["state"] == "running" and not alive else told["state"]
        partitions: dict[str, dict[str, int]] = told.get("partitions", {})
        return ProducerReport(
            name=name,
            state=state,
            source=str(told.get("source", "")),
            acknowledged=int(told.get("acknowledged", 0)),
            failed=int(told.get("failed", 0)),
            refused=int(told.get("refused", 0)),
            duplicates={int(number): p.get("duplicates", 0) for number, p in partitions.items()},
            acknowledged_by_partition={int(number): p.get("acknowledged", 0) for number, p in partitions.items()},
            error=told.get("error"),
        )


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


def _sum(counts: Iterable[dict[int, int]]) -> dict[int, int]:
    total: dict[int, int] = {}
    for by_partition in counts:
        for partition, count in by_partition.items():
            total[partition] = total.get(partition, 0) + count
    return total
