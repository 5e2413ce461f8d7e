"""One launch or stop of a job at a time, whoever asks."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

import psycopg2

from orchestration.errors import TransientError
from orchestration.resources.postgres import PostgresResource

TIMEOUT_S: Final = 240.0


@contextmanager
def exclusive(postgres: PostgresResource, job_name: str, run_dir: Path, timeout_s: float = TIMEOUT_S) -> Iterator[int]:
    """Hold the job's lock; yields the descriptor of a locked file, for the programs that are started meanwhile.

    Postgres frees its part when the holder dies. A submitting program outlives a launcher that is killed: it inherits
    the file, which stays locked until it has ended too, so that the next launcher sees the job that it submitted.

    Raises:
        TransientError: somebody else holds it for longer, or Postgres is out of reach.
    """
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = %s", (int(timeout_s * 1000),))
        # Until the transaction ends: a lock of the session would outlast it by what the server needs to notice.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"pi3.job.{job_name}",))
        run_dir.mkdir(parents=True, exist_ok=True)
        try:
            with (run_dir / f"{job_name}.lock").open("w") as file:
                _lock(file, job_name, timeout_s)
                yield file.fileno()
        finally:
            with suppress(psycopg2.Error):  # the server has ended the session, and the lock with it
                connection.rollback()


def is_free(postgres: PostgresResource, job_name: str) -> bool:
    """Whether nobody launches or stops the job at this moment."""
    with postgres.connect("owner") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock_shared(hashtextextended(%s, 0))", (f"pi3.job.{job_name}",))
        free = bool((cursor.fetchone() or (False,))[0])
        connection.rollback()
        return free


def _lock(file: IO[str], job_name: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TransientError(f"a program that submits {job_name} does not end: see {file.name}") from None
            time.sleep(0.2)
        else:
            return
