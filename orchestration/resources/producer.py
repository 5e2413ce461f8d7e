"""Producers: launched detached, found again by their reports, adopted while they run.

A producer outlives the Dagster run that launched it, and the code server. Each launch has a name of its own,
`<id>-<n>`; its report lies below `<run_dir>/producers` (`.json`, the producer writes it). What a producer is, a process
or a container, is said by `producer_processes` and `producer_containers`.
"""

from __future__ import annotations

import fcntl
import json
import time
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Dagster's own mark for a resource that is a plain object, as its Pipes clients are.
from dagster._core.definitions.resource_annotation import TreatAsResourceParam
from pydantic import SecretStr

from infra.local.secrets import write_private
from orchestration.errors import ConfigurationError, TransientError

STOP_TIMEOUT_S = 30.0
START_TIMEOUT_S = 20.0


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


@dataclass(frozen=True, kw_only=True)
class ProducerResource(TreatAsResourceParam):
    """Launches `python -m producer` against one topic; `options` are those of its Kafka client."""

    run_dir: str
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
        self._start(name, ("-m", "producer", *self._flags(name, spec, len(former))))
        self._await_start(name)
        return Launched(name, "launched")

    def reports(self) -> list[ProducerReport]:
        """One report per launch, in the order of the launches."""
        # Before the reports are read: of a producer that has ended, what we then read is its last word.
        alive = self._alive()
        return [self._report(name, name in alive) for name in self._launches()]

    def stop_all(self, timeout_s: float = STOP_TIMEOUT_S) -> list[str]:
        """Ask every running producer to flush and end; returns their names once all have ended.

        Raises:
            TransientError: one is still flushing after `timeout_s`; its events are not lost, ask again.
        """
        running = sorted(self._alive())
        if left := self._end(running, timeout_s):
            raise TransientError(f"{left} producers still flush after {timeout_s:.0f} s; stop them again")
        return running

    def duplicates(self) -> dict[int, int]:
        """Events sent again under an event_id used before, per partition, as the producers know them."""
        return _sum(report.duplicates for report in self.reports())

    def acknowledged(self) -> dict[int, int]:
        """Events that the broker has acknowledged to our producers, per partition."""
        return _sum(report.acknowledged_by_partition for report in self.reports())

    @abstractmethod
    def _launches(self) -> Sequence[str]:
        """Names of all launches, in their order."""

    @abstractmethod
    def _alive(self) -> Collection[str]:
        """Names of those that run."""

    @abstractmethod
    def _start(self, name: str, arguments: Sequence[str]) -> None:
        """Start Python with these arguments, so that it outlives us."""

    @abstractmethod
    def _end(self, names: Collection[str], timeout_s: float) -> int:
        """Ask them to end, and wait; returns how many still run."""

    @abstractmethod
    def _log(self, name: str) -> str:
        """What it has printed."""

    def _folder(self) -> Path:
        folder = Path(self.run_dir) / "producers"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _marked(self, suffix: str) -> list[str]:
        """Names of the launches that left a file of this kind, in their order."""
        files = sorted(self._folder().glob(f"*{suffix}"), key=lambda path: path.stat().st_mtime_ns)
        return [path.stem for path in files]

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One launch at a time: two runs that ask for the same producer get the same one."""
        with (self._folder() / "launch.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

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
            report = self._report(name, name in self._alive())
            if report.state in ("failed", "died"):
                log = self._log(name).strip()
                raise ConfigurationError(f"producer {name} ended at once: {report.error or log.rpartition(chr(10))[2]}")
            if report.state != "running" or report.acknowledged:
                return
            time.sleep(0.1)

    def _report(self, name: str, alive: bool) -> ProducerReport:
        path = self._folder() / f"{name}.json"
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


def _sum(counts: Iterable[dict[int, int]]) -> dict[int, int]:
    total: dict[int, int] = {}
    for by_partition in counts:
        for partition, count in by_partition.items():
            total[partition] = total.get(partition, 0) + count
    return total
