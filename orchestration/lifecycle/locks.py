"""One launch or stop of a job at a time, whoever asks; and who is at it, for how long."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import psutil
import psycopg2

from orchestration.errors import TransientError
from orchestration.lifecycle.statements import one, run, transaction
from orchestration.resources.postgres import PostgresResource

TIMEOUT_S: Final = 240.0
# A file that was locked so much earlier than the lock in Postgres was taken is not locked by the same launcher. It is
# more than may pass between the two looks on a busy machine.
APART_S: Final = 10.0


@dataclass(frozen=True)
class Hold:
    """Who holds the job's lock, for how long, and how a person ends that.

    `orphaned`: it is the file alone that is held, by a submitting program whose launcher has died, or by a launcher
    whose session Postgres has ended.
    """

    by: str
    held_s: float
    way_out: str
    orphaned: bool = False


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
        run(cursor, "lock_take", job_name=job_name, holder=f"pi3 process {os.getpid()} on {socket.gethostname()}")
        run_dir.mkdir(parents=True, exist_ok=True)
        try:
            # Opened to append: whoever has to wait must not change the time at which the file was locked.
            with _file(run_dir, job_name).open("a") as file:
                _lock(file, job_name, timeout_s)
                stamp(file.fileno())
                yield file.fileno()
        finally:
            with suppress(psycopg2.Error):  # the server has ended the session, and the lock with it
                connection.rollback()


def stamp(lock: int) -> None:
    """Let the file of the lock tell since when what goes on under it does so."""
    os.utime(lock)


def holder(postgres: PostgresResource, job_name: str, run_dir: Path) -> Hold | None:
    """Who launches or stops the job at this moment, as Postgres and the locked file of this machine tell."""
    # In this order: a launch that ends between the two is seen as one that goes on.
    session = _session(postgres, job_name)
    path = _file(run_dir, job_name)
    locked_s = _locked_s(path)
    if locked_s is None or (session and locked_s < session.held_s + APART_S):
        return session
    return _program(path, locked_s)


def _session(postgres: PostgresResource, job_name: str) -> Hold | None:
    with transaction(postgres) as cursor:
        row = one(cursor, "lock_holder", job_name=job_name)
    if row is None:
        return None
    return Hold(
        f"{row['name']} (Postgres session {row['pid']} from {row['client']})",
        row["held_s"],
        "End that program (kill -9): whatever it began is gone on with. Only if its machine is gone for good, "
        f"SELECT pg_terminate_backend({row['pid']})",
    )


def _program(path: Path, locked_s: float) -> Hold:
    host, pids = socket.gethostname(), " ".join(map(str, _lockers(path)))
    who = f"process {pids} on {host}" if pids else f"a program that {host} does not see"
    way_out = f"kill -9 {pids}" if pids else f"find it where it runs (fuser -v {path}), and kill -9"
    return Hold(f"{who}, by its file {path}", locked_s, f"End it ({way_out}): whatever it began is gone on with", True)


def _lockers(path: Path) -> Iterator[int]:
    """Processes of this machine that hold the file's lock; /proc/locks knows but the one that took it."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            numbers = [file.fd for file in process.open_files() if file.path == str(path.resolve())]
            if any("FLOCK" in Path(f"/proc/{process.pid}/fdinfo/{number}").read_text() for number in numbers):
                yield process.pid


def _locked_s(path: Path) -> float | None:
    """For how long the file has been locked; None: it is not."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return time.time() - path.stat().st_mtime
    return None


def _lock(file: IO[str], job_name: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                way_out = _program(Path(file.name), timeout_s).way_out
                raise TransientError(f"a program that submits {job_name} does not end. {way_out}") from None
            time.sleep(0.2)
        else:
            return


def _file(run_dir: Path, job_name: str) -> Path:
    return run_dir / f"{job_name}.lock"
