"""What `make run` asks of a stack that is up, before it launches anything on it."""

from __future__ import annotations

from typing import Final

from flink_jobs.spec import JobSpecError
from orchestration.defs.resources import resources
from orchestration.errors import ConfigurationError
from orchestration.resources.postgres import Role
from orchestration.settings import Settings
from orchestration.streaming_job import job_spec

ROLES: Final[tuple[Role, ...]] = ("owner", "writer", "reader", "auditor")


def check(settings: Settings) -> None:
    """Log in as each role and describe the job: with one wrong, a launch would go half the way.

    Raises:
        ConfigurationError: Postgres refuses a role, a connector's jar is missing, or the job cannot be described.
        TransientError: Postgres is out of reach.
    """
    try:
        job_spec(settings)
    except JobSpecError as error:
        raise ConfigurationError(f"these settings describe no job that could run: {error}") from error
    postgres = resources(settings)["postgres"]
    for role in ROLES:
        with postgres.connect(role):
            pass
