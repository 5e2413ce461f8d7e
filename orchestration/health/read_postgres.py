"""What Postgres says of the table, the ledger, the job's sessions and of what is wanted of the job."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg2.errors
import psycopg2.extensions

from orchestration.errors import ConfigurationError
from orchestration.health.facts import BlockedSession, Desired, PostgresFacts
from orchestration.lifecycle import record
from orchestration.resources.postgres import PostgresResource
from orchestration.resources.sql_files import sql_file

SQL_DIR: Final = Path(__file__).parent / "sql"
LOCK_TIMEOUT = "SET lock_timeout = '1s'"


def read_postgres(postgres: PostgresResource, topic: str, job_name: str) -> PostgresFacts:
    """Whoever locks the table locks out this reader too, so the locks are read first.

    Raises:
        TransientError, ConfigurationError: the server gives no answer, refuses the login, or lacks a table.
    """
    with postgres.connect("reader") as connection, connection.cursor() as cursor:
        connection.autocommit = True
        blocked = _rows(cursor, "waiting", job_name=job_name)
        ((changing,),) = _rows(cursor, "changing", job_name=job_name)
        ((landed, dead),) = _rows(cursor, "tally", topic=topic)
        return PostgresFacts(
            newest_id=_newest_id(cursor),
            blocked=tuple(BlockedSession(name, waiting_s or 0.0, tuple(by or ())) for name, waiting_s, by in blocked),
            changing=changing,
            landed=landed,
            dead=dead,
        )


def read_desired(postgres: PostgresResource, job_name: str) -> Desired | None:
    """What is wanted of the job; None if it was never asked for, also before its schema is there.

    Raises:
        TransientError: the server gives no answer.
    """
    try:
        found = record.read(postgres, job_name)
    except ConfigurationError:
        return None
    if found is None:
        return None
    recovery = found.recovery
    return Desired(
        found.desired,
        found.desired_at.timestamp(),
        recovery.attempts,
        _unix(recovery.gave_up_at),
        recovery.error,
    )


def _newest_id(cursor: psycopg2.extensions.cursor) -> int | None:
    cursor.execute(LOCK_TIMEOUT)
    try:
        ((newest,),) = _rows(cursor, "newest_id")
    except psycopg2.errors.LockNotAvailable:
        return None
    return int(newest)


def _unix(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def _rows(cursor: psycopg2.extensions.cursor, name: str, **values: object) -> list[tuple[Any, ...]]:
    cursor.execute(sql_file(SQL_DIR, name), values)
    return cursor.fetchall()
