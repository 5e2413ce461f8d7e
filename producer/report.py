"""The report of a run: a JSON file that others watch while the producer works."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any

import psutil

from producer.counts import Counts, PartitionCount
from producer.record import Kind


class State(str, Enum):
    """``finished``: all was sent and acknowledged. ``stopped``: by a signal, and flushed. ``failed``: see ``error``."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass
class Report:
    """All that is told about a run. Times are Unix time in seconds; ``process_started_at`` tells a reused pid apart."""

    producer_id: str
    topic: str
    source: str
    seed: int | None
    started_at: float
    counts: Counts
    # Records of a file are not judged: their malformed and late ones are null in the report.
    judged: bool = True
    duplicates_exact: Callable[[], bool] = lambda: True
    state: State = State.RUNNING
    error: str = ""
    broker_error: str = ""  # the last one the Kafka client told of, perhaps long overcome
    pid: int = field(default_factory=os.getpid)
    process_started_at: float = field(default_factory=lambda: psutil.Process().create_time())

    def progress(self, now: float) -> str:
        """One line for a person."""
        counts = self.counts
        trouble = f"; last error of the broker: {self.broker_error}" if self.broker_error and counts.unanswered else ""
        return f"{counts.sent} sent, {counts.acknowledged} acknowledged, {self._rate_per_s(now):.0f}/s{trouble}"

    def _rate_per_s(self, now: float) -> float:
        return round(self.counts.acknowledged / (now - self.started_at), 1) if now > self.started_at else 0.0

    def as_dict(self, now: float) -> dict[str, Any]:
        """The report as JSON data, its times as RFC 3339 in UTC."""
        counts = self.counts
        return {
            "producer_id": self.producer_id,
            "pid": self.pid,
            "process_started_at": self.process_started_at,
            "topic": self.topic,
            "source": self.source,
            "seed": self.seed,
            "started_at": _rfc3339(self.started_at),
            "updated_at": _rfc3339(now),
            "state": self.state.value,
            "error": self.error,
            "broker_error": self.broker_error,
            "sent": counts.sent,
            "acknowledged": counts.acknowledged,
            "failed": counts.failed,
            "failures": dict(counts.failures),
            "refused": sum(counts.refused.values()),
            "refusals": dict(counts.refused),
            "malformed": counts.of_kind(Kind.MALFORMED) if self.judged else None,
            "late": counts.of_kind(Kind.LATE) if self.judged else None,
            "duplicates": counts.of_kind(Kind.DUPLICATE),
            "duplicates_exact": self.duplicates_exact(),
            "rate_per_s": self._rate_per_s(now),
            "partitions": {
                str(partition): self._partition(count) for partition, count in sorted(counts.partitions.items())
            },
        }

    def _partition(self, count: PartitionCount) -> dict[str, int | None]:
        return {
            "first_offset": count.first_offset,
            "last_offset": count.last_offset,
            "acknowledged": count.acknowledged,
            "malformed": count.kinds[Kind.MALFORMED] if self.judged else None,
            "duplicates": count.kinds[Kind.DUPLICATE],
        }


def _rfc3339(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, timezone.utc).isoformat(timespec="milliseconds")


def write_atomically(path: Path, document: dict[str, Any]) -> None:
    """Replace ``path`` as a whole, so that a reader never sees half a report. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        json.dump(document, file, indent=1)
        file.write("\n")
    Path(file.name).replace(path)
