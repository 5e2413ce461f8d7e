"""Schedules: what happens by the clock."""

from __future__ import annotations

import dagster as dg

from orchestration.defs.jobs import health_check
from orchestration.defs.lifecycle import savepoint_stream
from orchestration.settings import Settings


def schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The health check, every five minutes, and a savepoint, every six hours, unless the settings say otherwise."""
    return [
        dg.ScheduleDefinition(
            name="health_check_schedule",
            job=health_check,
            cron_schedule=settings.health_check_cron,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Every asset check, so that the UI shows when a verdict changed.",
        ),
        dg.ScheduleDefinition(
            name="savepoint_schedule",
            job=savepoint_stream,
            cron_schedule=settings.savepoint_cron,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="A savepoint to go back to, also when checkpoints are damaged or the state folder moves.",
        ),
    ]
