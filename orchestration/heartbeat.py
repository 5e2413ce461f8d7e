"""The heartbeat: the figures of the stream since the last beat."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final

from orchestration.errors import TransientError
from orchestration.health.facts import KafkaFacts, PostgresFacts, StreamFacts
from orchestration.resources.postgres import Latency, PostgresResource, Progress

# Of each of two statements, the first of which may have the whole table to count; a tick ends after a minute.
STATEMENT_TIMEOUT_S: Final = 20

Figures = dict[str, int | float]


@dataclass(frozen=True)
class Beat:
    """What one beat leaves for the next: when the table was last counted, and how far it had come."""

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
    facts: StreamFacts, postgres: PostgresResource, previous: Beat | None, interval_s: float
) -> tuple[Beat | None, Figures]:
    """Compare with the previous beat, which stays while the table cannot be read; what is not known is absent.

    Figures are numbers, so that the UI plots them. `interval_s`: between two beats, for the first of them.
    """
    lags = lag_figures(facts.kafka.lags) if isinstance(facts.kafka, KafkaFacts) else {}
    if not isinstance(facts.postgres, PostgresFacts) or facts.postgres.newest_id is None:
        return previous, lags
    patient = replace(postgres, statement_timeout_s=STATEMENT_TIMEOUT_S)
    try:
        progress = patient.progress(previous.progress) if previous else patient.progress()
        latency = patient.latency(facts.at_s - previous.at_s if previous else interval_s)
    except TransientError:
        return previous, lags
    beat = Beat(facts.at_s, progress)
    return beat, figures(beat, previous, latency) | lags


def figures(beat: Beat, previous: Beat | None, latency: Latency) -> Figures:
    """The numbers of the table; latencies are absent when no row has landed since the last beat."""
    new_rows = new_rows_since(beat, previous)
    elapsed_s = beat.at_s - previous.at_s if previous else 0.0
    numbers: Figures = {
        "rows": beat.progress.total_rows,
        "new_rows": new_rows,
        "rows_per_s": round(new_rows / elapsed_s, 2) if elapsed_s > 0 else 0.0,
    }
    latencies = {"latency_p50_s": latency.p50_ms, "latency_p99_s": latency.p99_ms}
    return numbers | {name: round(value / 1000, 3) for name, value in latencies.items() if value is not None}


def lag_figures(lags: Mapping[int, int]) -> Figures:
    """Records that wait, in all and by partition."""
    return {"lag": sum(lags.values()), **{f"lag_partition_{number}": lag for number, lag in sorted(lags.items())}}


def new_rows_since(beat: Beat, previous: Beat | None) -> int:
    """Rows that landed since the previous beat; none is known without one, nor after the table was emptied."""
    return max(0, beat.progress.total_rows - previous.progress.total_rows) if previous else 0
