"""Rules about what the job reads from and writes to."""

from __future__ import annotations

from orchestration.health.causes import Cause
from orchestration.health.facts import BlockedSession, Unreachable
from orchestration.health.view import Finding, View
from orchestration.verdicts import seconds


def source_unreachable(view: View) -> Finding | None:
    """Kafka, or the topic, is not there; a job whose link is whole may well get on."""
    if not isinstance(view.facts.kafka, Unreachable):
        return None
    also = f"; {view.facts.postgres.error}" if isinstance(view.facts.postgres, Unreachable) else ""
    return Finding(Cause.SOURCE_UNREACHABLE, f"{view.facts.kafka.error}{also}; {view.progress}", "see kafka.log")


def sink_unreachable(view: View) -> Finding | None:
    """Postgres, or the table, is not there."""
    if not isinstance(view.facts.postgres, Unreachable):
        return None
    return Finding(Cause.SINK_BLOCKED, f"{view.facts.postgres.error}; {view.progress}", "see postgres.log")


def sink_locked(view: View) -> Finding | None:
    """The job's sessions wait for a lock that somebody holds."""
    found = view.postgres.blocked if view.postgres else ()
    waiting = [session for session in found if session.waiting_s >= view.limits.locked_s]
    if not waiting:
        return None
    longest = max(waiting, key=lambda session: session.waiting_s)
    words = (
        f"{len(waiting)} sessions of the job wait for a lock, for {seconds(longest.waiting_s)}, held by {_who(longest)}"
    )
    return Finding(Cause.SINK_BLOCKED, words, "end that transaction, for example by pg_terminate_backend")


def _who(session: BlockedSession) -> str:
    return ", ".join(session.blockers) or "a session that has ended meanwhile"
