"""What Dagster loads: composes, nothing else."""

from __future__ import annotations

import dagster as dg

from orchestration.defs import (
    alerts,
    checks,
    dead_letters,
    heal,
    hourly,
    jobs,
    ledger,
    lifecycle,
    provisioning,
    replay,
    resources,
    schedules,
    sensors,
    streaming,
)
from orchestration.settings import load_settings


@dg.definitions
def defs() -> dg.Definitions:
    """The whole code location, built from this process's settings."""
    settings = load_settings()
    return dg.Definitions(
        assets=[
            asset
            for room in (provisioning, streaming, ledger, dead_letters, hourly, replay)
            for asset in room.assets(settings)
        ],
        asset_checks=[
            check for room in (checks, heal, ledger, dead_letters, hourly) for check in room.checks(settings)
        ],
        jobs=[*jobs.jobs(), *lifecycle.jobs(), *replay.jobs(), *ledger.jobs(), *dead_letters.jobs()],
        schedules=[*schedules.schedules(settings), *ledger.schedules(settings)],
        sensors=[sensor for room in (sensors, heal, ledger, hourly, alerts) for sensor in room.sensors(settings)],
        resources=resources.resources(settings),
        executor=dg.in_process_executor,
    )
