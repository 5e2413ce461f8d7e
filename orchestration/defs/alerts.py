"""The alert sensor: reads the results of asset checks, since a failed check does not fail a run."""

import time
from collections.abc import Iterable, Iterator, Mapping

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES as COMPLETED,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecord

from orchestration.errors import TransientError
from orchestration.ledger import alerts
from orchestration.settings import Settings
from orchestration.verdicts import UNKNOWN

# Executions of one check that a tick looks back at: enough for a quarter of an hour of a webhook that is down. Beyond
# that a check that failed and recovered within the outage is not told; its latest state always is.
LOOK_BACK = 60
PAGE = 10


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """`alert_sensor`: one post for each change of a check's state."""

    @dg.sensor(
        minimum_interval_seconds=settings.alert_interval_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells the log and a webhook (PI3_ALERT_WEBHOOK_URL) when a check's verdict changes.",
    )
    def alert_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        known = alerts.from_cursor(context.cursor)
        keys = context.repository_def.asset_graph.asset_check_keys if context.repository_def else ()
        history = executions(context.instance, keys, known)
        found = alerts.settled(known, history, time.time(), settings.alert_settle_s)
        changed = alerts.changes(known, found)
        told, problem = _tell(context, settings, changed)
        # What is left untold stays unknown, with whatever came after it.
        seen = found if problem is None else [change.execution for change in changed[:told]]
        cursor = alerts.to_cursor(known | alerts.latest(seen))
        reason = problem or f"{told} changes of state" if changed else "no check has changed its state"
        return dg.SensorResult(skip_reason=reason, cursor=cursor)

    return [alert_sensor]


def _tell(
    context: dg.SensorEvaluationContext, settings: Settings, changed: Iterable[alerts.Change]
) -> tuple[int, str | None]:
    """Tell the changes in order, up to the first that the webhook does not take: how many, and what went wrong."""
    url = settings.alert_webhook_url.get_secret_value()
    told = 0
    for change in changed:
        text = alerts.words(change, settings.dagster_ui)
        try:
            if url:
                alerts.post(url, text)
        except TransientError as error:
            context.log.error(f"{error}. Not told yet: {text}")
            return told, str(error)
        told += 1
        context.log.warning(text)
    return told, None


def executions(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey], known: Mapping[str, alerts.Known]
) -> Iterator[alerts.Execution]:
    """The executions of each check since the known one, newest first; those whose run goes on are left out."""
    for key in keys:
        check = f"{key.asset_key.to_user_string()}.{key.name}"
        for record in _records_since(instance, key, known[check].id if check in known else 0):
            state, description = _outcome(instance, record)
            if state is not None:
                yield alerts.Execution(check, record.id, state, description, record.create_timestamp)


def _records_since(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, known_id: int
) -> Iterator[AssetCheckExecutionRecord]:
    before: int | None = None
    for _ in range(LOOK_BACK // PAGE):
        page = instance.event_log_storage.get_asset_check_execution_history(key, limit=PAGE, cursor=before)
        yield from (record for record in page if record.id > known_id)
        if len(page) < PAGE or page[-1].id <= known_id:
            return
        before = page[-1].id


def _outcome(instance: dg.DagsterInstance, record: AssetCheckExecutionRecord) -> tuple[alerts.State | None, str]:
    evaluation = record.evaluation if record.status in COMPLETED else None
    if evaluation is not None and UNKNOWN in evaluation.metadata:
        return None, "a server was out of reach, which stream_healthy tells"
    if evaluation is not None:
        state = alerts.State.PASSED if evaluation.passed else alerts.State(evaluation.severity.value)
        return state, evaluation.description or "no description"
    run = instance.get_run_by_id(record.run_id)
    # A run that was cancelled, or that left the check out, says nothing of the check.
    failed = run is not None and run.status is dg.DagsterRunStatus.FAILURE
    return alerts.State.NO_VERDICT if failed else None, f"run {record.run_id} failed before it evaluated this check"
