"""A run that stays attached to the stream: what it reports, and what its end means for the stream."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeVar

import dagster as dg

from orchestration.errors import TransientError
from orchestration.flink.resource import Ensured, Stopped
from orchestration.health import memory
from orchestration.health.facts import FlinkFacts, KafkaFacts, PostgresFacts, StreamFacts
from orchestration.health.gather import Servers, gather
from orchestration.resources.postgres import PostgresResource, Progress
from orchestration.streaming_job import StreamingJob

T = TypeVar("T")
Figures = dict[str, int | float | str]

# A run that is told to end is called dead after three minutes; a try may take one of them.
TRY_AGAIN_S: Final = 60.0
PAUSE_S: Final = 2.0


class OnEnd(str, Enum):
    """What the end of a session means: the stream stops with a savepoint, goes on, or is cancelled and stays so."""

    savepoint = "savepoint"
    leave = "leave"
    cancel = "cancel"


@dataclass
class Session:
    """Reads the stream's figures; counts the rows that have landed since the first reading."""

    stream: StreamingJob
    instance: dg.DagsterInstance
    _landed: Progress | None = field(default=None, init=False)

    def figures(self) -> Figures:
        """What is not known is absent; the cause of the stream's state is the one that the heartbeat found."""
        stream = self.stream
        facts = gather(stream.settings, Servers(stream.flink, stream.kafka, stream.postgres), None)
        kept = memory.load(self.instance, stream.name)
        health: Figures = {"health": kept.memory.cause.value} if kept else {}
        return {**job_figures(facts), **self._rows(facts), **health}

    def _rows(self, facts: StreamFacts) -> Figures:
        newest_id = facts.postgres.newest_id if isinstance(facts.postgres, PostgresFacts) else None
        if newest_id is None:
            return {}
        with suppress(TransientError):
            self._landed = _landed_since(self.stream.postgres, self._landed, newest_id)
            return {"rows_landed": self._landed.total_rows}
        return {}


def job_figures(facts: StreamFacts) -> Figures:
    """State, lag and age of the newest checkpoint, as far as they are known."""
    figures: Figures = {"state": "unknown"}
    if isinstance(facts.flink, FlinkFacts):
        job = facts.flink.job if facts.flink.active else None
        figures["state"] = job.state if job else "absent"
        if job and job.checkpoints.completed_at_s:
            figures["checkpoint_age_s"] = round(facts.at_s - job.checkpoints.completed_at_s, 1)
    if isinstance(facts.kafka, KafkaFacts):
        figures["lag"] = facts.kafka.lag
    return figures


def in_words(figures: Figures) -> str:
    """One line for the log."""
    return ", ".join(
        f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}" for name, value in figures.items()
    )


def started(stream: StreamingJob) -> Ensured:
    """The stream, running; a server that is away is tried again for a minute.

    Raises:
        TransientError: it stayed away.
        ConfigurationError: a setting is wrong, or the job fails as it starts.
    """
    return _patiently(stream, stream.ensure_running)


def end(stream: StreamingJob, on_end: OnEnd) -> Figures:
    """Do what the end of the session means; returns what was done. A server that is away is tried again for a minute.

    Raises:
        TransientError: it stayed away; the stream is not wanted any more, and may still run.
    """
    return _patiently(stream, lambda: _end(stream, on_end))


def _patiently(stream: StreamingJob, act: Callable[[], T]) -> T:
    deadline = time.monotonic() + TRY_AGAIN_S
    while True:
        try:
            return act()
        except TransientError as error:
            if time.monotonic() >= deadline:
                raise
            stream.tell(f"trying again, for {error}")
            time.sleep(PAUSE_S)


def _end(stream: StreamingJob, on_end: OnEnd) -> Figures:
    if on_end is OnEnd.leave:
        return {"action": "session ended", "stream": "goes on"}
    if on_end is OnEnd.cancel:
        cancelled = ", ".join(stream.cancel())
        return {"action": "cancelled", "job_id": cancelled or "none was running"}
    return {"action": "stopped", **Stopped.told(stream.stop())}


def _landed_since(postgres: PostgresResource, before: Progress | None, newest_id: int) -> Progress:
    return postgres.progress(before or Progress(settled_id=newest_id, newest_id=newest_id))
