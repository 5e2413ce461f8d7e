"""The heartbeat: the figures of the stream since the last beat."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import Latency, PostgresResource, Progress
from orchestration.settings import Settings
from orchestration.snapshot import lag_by_partition


@dataclass(frozen=True)
class Beat:
    """What one beat leaves for the next: when it was, and how far the table had come."""

    at_s: float
    progress: Progress

    def to_cursor(self) -> str:
        """The beat as JSON."""
        return json.dumps(asdict(self), default=datetime.isoformat)

    @classmethod
    def from_cursor(cls, cursor: str) -> Beat | None:
        """The beat that `to_cursor` wrote; None if another version did, for the stream can be counted anew."""
        try:
            told = json.loads(cursor)
            landed_at = told["progress"].pop("newest_landed_at")
            newest = datetime.fromisoformat(landed_at) if landed_at else None
            return cls(told["at_s"], Progress(**told["progress"], newest_landed_at=newest))
        except (ValueError, KeyError, TypeError):
            return None


def take(
    settings: Settings, kafka: KafkaResource, postgres: PostgresResource, previous: Beat | None, now_s: float
) -> tuple[Beat, dict[str, int | float]]:
    """Read the servers and compare with the previous beat; figures are numbers, so that the UI plots them.

    Raises:
        TransientError: a server is out of reach.
    """
    lags = lag_by_partition(settings, kafka)
    beat = Beat(now_s, postgres.progress(previous.progress) if previous else postgres.progress())
    since_s = now_s - previous.at_s if previous else float(settings.heartbeat_interval_s)
    return beat, figures(beat, previous, lags, postgres.latency(since_s))


def figures(beat: Beat, previous: Beat | None, lags: Mapping[int, int], latency: Latency) -> dict[str, int | float]:
    """The numbers that a beat reports; latencies are absent when no row has landed since the last one."""
    new_rows = new_rows_since(beat, previous)
    elapsed_s = beat.at_s - previous.at_s if previous else 0.0
    numbers: dict[str, int | float] = {
        "rows": beat.progress.total_rows,
        "new_rows": new_rows,
        "rows_per_s": round(new_rows / elapsed_s, 2) if elapsed_s > 0 else 0.0,
        "lag": sum(lags.values()),
        **{f"lag_partition_{number}": lag for number, lag in sorted(lags.items())},
    }
    latencies = {"latency_p50_s": latency.p50_ms, "latency_p99_s": latency.p99_ms}
    return numbers | {name: round(value / 1000, 3) for name, value in latencies.items() if value is not None}


def new_rows_since(beat: Beat, previous: Beat | None) -> int:
    """Rows that landed since the previous beat; none is known without one, nor after the table was emptied."""
    return max(0, beat.progress.total_rows - previous.progress.total_rows) if previous else 0
