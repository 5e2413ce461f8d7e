"""The example batch asset waits for complete hours: Dagster's own evaluation of its automation condition."""

from __future__ import annotations

import dagster as dg
import pytest

from orchestration.defs import dead_letters, hourly, ledger, provisioning, streaming
from orchestration.settings import Settings

SETTINGS = Settings(hourly_start="2026-03-01-00:00")
OLD, NEW = "2026-03-01-04:00", "2026-03-01-05:00"


@pytest.fixture
def instance() -> dg.DagsterInstance:
    """An instance in memory."""
    return dg.DagsterInstance.ephemeral()


@pytest.fixture
def definitions() -> dg.Definitions:
    """The assets that `location_hourly` stands on."""
    modules = (provisioning, streaming, ledger, dead_letters, hourly)
    resources = {
        name: dg.ResourceDefinition.none_resource() for name in ("kafka", "postgres", "producer", "flink", "stream")
    }
    return dg.Definitions(assets=[asset for m in modules for asset in m.assets(SETTINGS)], resources=resources)


def requested(
    definitions: dg.Definitions, instance: dg.DagsterInstance, cursor: dg.AssetDaemonCursor | None
) -> tuple[set[str], dg.AssetDaemonCursor]:
    """The hours that one evaluation asks to materialize."""
    result = dg.evaluate_automation_conditions(
        definitions, instance, dg.AssetSelection.assets(hourly.LOCATION_HOURLY), cursor=cursor
    )
    return {hour for hour in result.get_requested_partitions(hourly.LOCATION_HOURLY) if hour}, result.cursor


def complete(instance: dg.DagsterInstance, hour: str) -> None:
    """What the sensor does for a complete hour."""
    instance.report_runless_asset_event(dg.AssetMaterialization(hourly.EVENTS_HOURLY, partition=hour))


def batch(instance: dg.DagsterInstance, hour: str) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(hourly.LOCATION_HOURLY, partition=hour))


def test_a_batch_waits_for_its_hour_and_follows_each_revision(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    hours, cursor = requested(definitions, instance, None)
    assert hours == set()
    complete(instance, NEW)
    complete(instance, OLD)  # long past: caught up all the same
    hours, cursor = requested(definitions, instance, cursor)
    assert hours == {OLD, NEW}
    for hour in hours:
        batch(instance, hour)
    hours, cursor = requested(definitions, instance, cursor)
    assert hours == set()
    complete(instance, OLD)  # a late event: a new revision
    assert requested(definitions, instance, cursor)[0] == {OLD}


def test_the_automation_runs_by_default() -> None:
    automation = hourly.sensors(SETTINGS)[1]
    assert isinstance(automation, dg.AutomationConditionSensorDefinition)
    assert automation.default_status is dg.DefaultSensorStatus.RUNNING
