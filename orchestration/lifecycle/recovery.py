"""Brings a dead job back, and writes down each attempt before it is made, so that whoever is killed has counted it."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Final

from orchestration.errors import Pi3Error, TransientError
from orchestration.flink.errors import FlinkUnreachable
from orchestration.flink.resource import Ensured
from orchestration.lifecycle import record
from orchestration.lifecycle.heal import Decision, Limits, Nothing, Observed, decide, verdict
from orchestration.lifecycle.locks import holder
from orchestration.lifecycle.record import JobRecord, Recovery
from orchestration.streaming_job import StreamingJob
from orchestration.verdicts import Verdict

# A JobManager that has died is up again within seconds: waiting for it here is faster than for the next look.
PATIENCE_S: Final = 15.0
POLL_S: Final = 0.3
# Of a statement: a database that hangs must not hang the look.
STATEMENT_TIMEOUT_S: Final = 5


@dataclass(frozen=True)
class Look:
    """What is wanted, what is seen, and what is to be done about it."""

    known: JobRecord
    observed: Observed
    decision: Decision
    limits: Limits

    @property
    def verdict(self) -> Verdict:
        """That of the check `self_heal`."""
        return verdict(self.known, self.decision, self.limits)

    @property
    def calm(self) -> bool:
        """Whether nothing is to be done, and nothing is left of an earlier recovery."""
        return isinstance(self.decision, Nothing) and self.known.recovery == Recovery() and self.observed.hold is None


def observe(stream: StreamingJob, patience_s: float = 0.0) -> Observed:
    """Flink's jobs of our name. A Flink that gives no answer is asked again for so long.

    Raises: FlinkRejected, when it is not Flink that answers.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            jobs = stream.flink.client.jobs()
        except FlinkUnreachable:
            if time.monotonic() >= deadline:
                return Observed(None)
            time.sleep(POLL_S)
        else:
            return Observed(tuple(job for job in jobs if job.name == stream.name))


def look(stream: StreamingJob, limits: Limits, observed: Observed) -> Look:
    """Ask Postgres what is wanted, and decide.

    Raises:
        TransientError: Postgres is out of reach.
        ConfigurationError: it refuses the login, or lacks a table.
    """
    postgres = replace(stream.postgres, statement_timeout_s=STATEMENT_TIMEOUT_S)
    # In this order: a launch that ends between the two is seen as one that goes on.
    hold = holder(postgres, stream.name, stream.settings.run_dir)
    known = replace(stream, postgres=postgres).record()
    observed = replace(observed, hold=hold)
    return Look(known, observed, decide(known, observed, _now(), limits), limits)


def attempt(stream: StreamingJob, number: int, limits: Limits) -> Ensured | None:
    """Attempt to let what ran before run again; None if the job is wanted no more.

    Raises:
        TransientError, ConfigurationError: it failed, which is written down if Postgres can be reached.
    """
    _note(stream, number, limits, f"began at {_now():%Y-%m-%d %H:%M:%S} UTC, and has not ended")
    try:
        ensured = stream.recover()
    except Pi3Error as error:
        with suppress(TransientError):
            _note(stream, number, limits, str(error))
        raise
    with suppress(TransientError):  # the job runs, and that is what matters
        if ensured is None:
            forget(stream)
        else:
            _note(stream, number, limits, passed_over(ensured))
    return ensured


def passed_over(ensured: Ensured) -> str | None:
    """In words, which restore points Flink could not read; None if there was no such."""
    if not ensured.unreadable:
        return None
    return f"passed over {', '.join(ensured.unreadable)}, which Flink cannot read"


def forget(stream: StreamingJob) -> None:
    """The job runs steadily: attempts count anew."""
    record.set_recovery(stream.postgres, stream.name)


def give_up(stream: StreamingJob) -> None:
    """Write down that no further attempt is made until somebody asks for the job."""
    recovery = stream.record().recovery
    if recovery.gave_up_at is None:
        record.set_recovery(stream.postgres, stream.name, replace(recovery, next_at=None, gave_up_at=_now()))


def _note(stream: StreamingJob, number: int, limits: Limits, error: str | None) -> None:
    recovery = Recovery(number, _now() + limits.pause(number), None, error)
    record.set_recovery(stream.postgres, stream.name, recovery)


def _now() -> datetime:
    return datetime.now(timezone.utc)
