"""What is wanted of a streaming job and which run of it may write: the row in `streaming_jobs`, and its versions.

Flink forgets its jobs when its JobManager dies; this does not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from psycopg2.extras import Json

from flink_jobs.builder import Definition
from orchestration.errors import TransientError
from orchestration.lifecycle.statements import Cursor, one, run, transaction
from orchestration.resources.postgres import PostgresResource

Desired = Literal["running", "stopped"]

# The trigger's lock is held for one batch; whoever holds it longer hangs.
PATIENCE_S: Final = 5.0
# In the order of the fields of `Recovery`.
RECOVERY_COLUMNS: Final = ("recovery_attempts", "next_recovery_at", "gave_up_at", "last_error")


@dataclass(frozen=True)
class Recovery:
    """Attempts to bring a dead job back: how many, when the next may begin, whether it was given up, and why."""

    attempts: int = 0
    next_at: datetime | None = None
    gave_up_at: datetime | None = None
    error: str | None = None


@dataclass(frozen=True)
class JobRecord:
    """One row of `streaming_jobs`; docs in its migration. `reset_offsets` maps partition to offset."""

    job_name: str
    desired: Desired
    desired_at: datetime
    epoch: int = 0
    job_id: str | None = None
    fingerprint: str | None = None
    restored_from: str | None = None
    submitted_at: datetime | None = None
    parallelism: int | None = None
    reset_at: datetime | None = None
    reset_offsets: Mapping[int, int] | None = None
    recovery: Recovery = Recovery()


@dataclass(frozen=True)
class Version:
    """What a job does, and how wide; `verified`: rows of this version have landed and the ledger balanced."""

    fingerprint: str
    definition: Definition
    parallelism: int
    verified: bool = False


def read(postgres: PostgresResource, job_name: str) -> JobRecord | None:
    """The record, None if the job was never asked for.

    Raises:
        TransientError: Postgres is out of reach.
        ConfigurationError: its schema is not there yet.
    """
    with transaction(postgres, "reader") as cursor:
        row = one(cursor, "job_record", job_name=job_name)
    if row is None:
        return None
    if offsets := row["reset_offsets"]:
        row["reset_offsets"] = {int(partition): offset for partition, offset in offsets.items()}
    recovery = Recovery(*(row.pop(name) for name in RECOVERY_COLUMNS))
    return JobRecord(**row, recovery=recovery)


def want(postgres: PostgresResource, job_name: str, desired: Desired) -> None:
    """Write down what is wanted, before it is done, so that whoever comes next goes on."""
    with transaction(postgres) as cursor:
        run(cursor, "want", job_name=job_name, desired=desired)


def take_lease(
    postgres: PostgresResource, job_name: str, job_id: str, version: Version, restored_from: str | None
) -> int:
    """Hand the writer lease to a run that is about to be submitted; returns its epoch.

    On return nothing of an earlier run is, or can be, committed any more. The run's version is kept with it.

    Raises:
        TransientError: Postgres is out of reach, or a session of an earlier run neither ends nor can be ended.
    """
    names = {"job_name": job_name, "fingerprint": version.fingerprint}
    definition = Json(json.loads(version.definition.to_json()))
    with transaction(postgres) as cursor:
        _shut_out_writers(cursor, job_name)
        run(cursor, "version_keep", **names, definition=definition, parallelism=version.parallelism)
        row = one(cursor, "lease_take", **names, job_id=job_id, restored_from=restored_from)
    return int(row["epoch"]) if row else 0


def _shut_out_writers(cursor: Cursor, job_name: str) -> None:
    """Until the transaction ends no run of the job can write."""
    for end_first in (False, True):
        if end_first:
            run(cursor, "end_writers", job_name=job_name)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if (row := one(cursor, "lease_lock", job_name=job_name)) and row["locked"]:
                return
            time.sleep(0.1)
    raise TransientError(f"an earlier run of {job_name} still writes to Postgres; its sessions do not end: try again")


def version(postgres: PostgresResource, job_name: str, fingerprint: str) -> Version | None:
    """The kept version of this fingerprint."""
    with transaction(postgres) as cursor:
        row = one(cursor, "version", job_name=job_name, fingerprint=fingerprint)
    if row is None:
        return None
    return Version(row["fingerprint"], Definition.from_json(row["definition"]), row["parallelism"], row["verified"])


def verified(postgres: PostgresResource, job_name: str, fingerprint: str) -> None:
    """Write down that the version has proved itself."""
    with transaction(postgres) as cursor:
        run(cursor, "version_verified", job_name=job_name, fingerprint=fingerprint)


def set_parallelism(postgres: PostgresResource, job_name: str, parallelism: int | None) -> None:
    """Overrule the setting; None: as the settings say."""
    with transaction(postgres) as cursor:
        run(cursor, "rescale", job_name=job_name, parallelism=parallelism)


def set_reset(postgres: PostgresResource, job_name: str, reset_at: datetime, offsets: Mapping[int, int]) -> None:
    """Leave restore points up to `reset_at` alone, and start from `offsets` (by partition) where there is none."""
    with transaction(postgres) as cursor:
        run(cursor, "reset", job_name=job_name, reset_at=reset_at, reset_offsets=Json(dict(offsets)))


def set_recovery(postgres: PostgresResource, job_name: str, recovery: Recovery = Recovery()) -> None:
    """Write down how far the recovery of a dead job has come; without one: it runs again."""
    with transaction(postgres) as cursor:
        run(cursor, "recovery", job_name=job_name, **vars(recovery))
