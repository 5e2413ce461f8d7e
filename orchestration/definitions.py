"""What Dagster loads: composes, nothing else."""

from __future__ import annotations

import dagster as dg

from orchestration.defs import checks, jobs, provisioning, resources, schedules, sensors, streaming
from orchestration.settings import load_settings


@dg.definitions
def defs() -> dg.Definitions:
    """The whole code location, built from this process's settings."""
    settings = load_settings()
    return dg.Definitions(
        assets=[*provisioning.assets(settings), *streaming.assets(settings)],
        asset_checks=checks.checks(settings),
        jobs=jobs.jobs(),
        schedules=schedules.schedules(settings),
        sensors=sensors.sensors(settings),
        resources=resources.resources(settings),
        executor=dg.in_process_executor,
    )
