"""Hours of completeness, and an example of a batch that waits for them."""

from datetime import datetime, timedelta, timezone
from typing import Any

import dagster as dg

from orchestration import ledger_ops
from orchestration.defs.checks import as_result
from orchestration.defs.provisioning import AFTER, common
from orchestration.errors import Pi3Error
from orchestration.ledger import completeness, hourly, verdicts
from orchestration.ledger_report import LEDGER
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import Settings

EVENTS_HOURLY = dg.AssetKey("events_hourly")
LOCATION_HOURLY = dg.AssetKey("location_hourly")
SENSOR_INTERVAL_S = 60
PATIENCE_S = 900.0
HOURS_PER_RUN = 24

# As soon as the hour is complete, and again when it is reported with other counts. Unlike `eager()` not for the latest
# hour alone: an hour that became complete while Dagster was down is caught up, and a late event reopens an old one.
WHEN_COMPLETE = (
    dg.AutomationCondition.eager()
    .without(dg.AutomationCondition.in_latest_time_window())
    .with_label("when the hour is complete")
)


def partitions(settings: Settings) -> dg.HourlyPartitionsDefinition:
    """UTC hours."""
    return dg.HourlyPartitionsDefinition(start_date=settings.hourly_start)


def assets(settings: Settings) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """`events_hourly`, reported by the sensor, and `location_hourly`, materialized for each complete hour."""
    hours = partitions(settings)
    events_hourly = dg.AssetSpec(
        EVENTS_HOURLY,
        deps=[LEDGER],
        partitions_def=hours,
        **common("ledger", {"postgres"}),
        description="Hours (UTC, by the Kafka timestamp) of which every offset is accounted for. Materialized once the "
        "ledger has audited all that stood in the topic when the hour was over by the grace; again, as a new revision, "
        "when late or superseding events have changed the hour's counts.",
        metadata={"grace_s": settings.hourly_grace_s, "window_h": settings.hourly_window_h},
    )

    @dg.graph_asset(
        **common("batch", {"postgres", "table"}),
        ins={"events_hourly": AFTER},
        partitions_def=hours,
        backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=HOURS_PER_RUN),
        automation_condition=WHEN_COMPLETE,
        description="Example of a batch on complete hours: events per location and hour. Materializing an hour "
        "replaces its rows, so that doing it twice changes nothing.",
        metadata={"dagster/table_name": f"{settings.postgres_database}.public.location_hourly"},
    )
    def location_hourly(events_hourly: Any) -> Any:  # noqa: ANN401 - composed by dagster
        return ledger_ops.count_locations(events_hourly)

    return [events_hourly, location_hourly]


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """`hourly_sensor` reports the hours; `batch_automation` starts what waits for them."""

    @dg.sensor(
        minimum_interval_seconds=SENSOR_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports each hour on `events_hourly` as soon as all its offsets are accounted for.",
    )
    def hourly_sensor(
        context: dg.SensorEvaluationContext, kafka: KafkaResource, postgres: PostgresResource
    ) -> dg.SensorResult | dg.SkipReason:
        book = hourly.Book.from_cursor(context.cursor) if context.cursor else hourly.Book()
        try:
            book, found = completeness.take(settings, kafka, postgres, book, datetime.now(timezone.utc))
        except Pi3Error as error:
            return dg.SkipReason(f"unknown for now: {error}")
        reason = None if found else f"no hour has become complete; {len(book.goals)} wait for the ledger"
        events = [_materialization(item) for item in found]
        return dg.SensorResult(asset_events=events, cursor=book.to_cursor(), skip_reason=reason)

    batches = dg.AutomationConditionSensorDefinition(
        "batch_automation",
        target=dg.AssetSelection.assets(LOCATION_HOURLY),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=SENSOR_INTERVAL_S,
        description="Materializes the batch assets of hours that have become complete.",
    )
    return [hourly_sensor, batches]


def _materialization(item: hourly.Completed) -> dg.AssetMaterialization:
    waited = datetime.now(timezone.utc) - hourly.begin_of(item.hour) - hourly.HOUR
    numbers: dict[str, int | float] = {
        "landed": item.counts.landed,
        "dead": item.counts.dead,
        "lost": item.counts.lost,
        "revision": item.revision,
    }
    if item.before is None:
        numbers["waited_s"] = round(waited.total_seconds(), 1)
    else:
        numbers["landed_change"] = item.counts.landed - item.before.landed
        numbers["dead_change"] = item.counts.dead - item.before.dead
    words = "complete" if item.before is None else f"counts changed since revision {item.revision - 1}"
    return dg.AssetMaterialization(EVENTS_HOURLY, partition=item.hour, metadata=numbers, description=words)


def checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """`hours_complete`: no hour waits for too long."""

    @dg.asset_check(asset=EVENTS_HOURLY, description="Hours become complete soon after they are over.")
    def hours_complete(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        known = context.instance.get_materialized_partitions(EVENTS_HOURLY)
        last = hourly.last_over(datetime.now(timezone.utc), settings.hourly_grace_s + PATIENCE_S)
        waiting = [hour for hour in _hours(min(known), last) if hour not in known] if known else []
        return as_result(verdicts.hours_complete(waiting, len(known), PATIENCE_S))

    return [hours_complete]


def _hours(first: str, last: str) -> list[str]:
    begin, count = hourly.begin_of(first), (hourly.begin_of(last) - hourly.begin_of(first)) // timedelta(hours=1)
    return [hourly.key(begin + number * hourly.HOUR) for number in range(count + 1)]
