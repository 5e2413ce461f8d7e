"""The ledger in Dagster: its asset, its checks, the sensor that passes, and the jobs.

A pass must come every few seconds, for a dead letter should show within half a minute. A run for each would cost the
start of a process (4-5 s of CPU) every time, so the sensor's tick does the pass itself, in the code server that is
there anyway, within a budget far below the minute after which Dagster kills a tick; what is left over is the next
tick's. It reports what a run would: the materialization, and the checks whose verdict has changed. (Each check also
runs with the job health_check, so a verdict that stays is not written down every ten seconds.) The job `ledger_pass`
does the same in a run with a larger budget, for a long backlog or from the UI. Two at once are safe: the second does
nothing.
"""

import json
from collections.abc import Mapping
from typing import Any

import dagster as dg

from orchestration import ledger_ops, ledger_report
from orchestration.defs.checks import judged
from orchestration.defs.dead_letters import share_since
from orchestration.defs.jobs import MAX_RUNTIME
from orchestration.defs.provisioning import AFTER, common
from orchestration.errors import Pi3Error
from orchestration.ledger import verdicts
from orchestration.ledger.accounting import PassReport
from orchestration.ledger.audit import Limits, audit_committed
from orchestration.ledger.letters import read_letters
from orchestration.ledger.standing import Standing, read_deep_audit, read_standing
from orchestration.ledger_report import DEAD_LETTERS, LEDGER
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.resources.producer import ProducerResource
from orchestration.settings import Settings
from orchestration.verdicts import Verdict

RECOUNT_S = 2.0
DEEP_AUDIT_MAX_RUNTIME = {"dagster/max_runtime": str(6 * 3600)}
PRODUCER = dg.AssetKey("event_producer")

Named = Mapping[tuple[dg.AssetKey, str], Verdict]


def assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """`ledger`: every offset below the job's committed one, accounted for."""

    @dg.graph_asset(
        **common("ledger", {"postgres", "kafka", "table"}),
        ins={"events": AFTER},
        description="Every offset that the job has committed is landed, superseded by a later event of its id, a dead "
        "letter, gone (removed before the job could read it) or LOST. The sensor passes every few seconds.",
        metadata={
            "dagster/table_name": f"{settings.postgres_database}.public.ledger",
            "topic": settings.kafka_topic,
            "consumer_group": settings.kafka_consumer_group,
        },
    )
    def ledger(events: Any) -> Any:  # noqa: ANN401 - composed by dagster
        return ledger_ops.audit_offsets(events)

    return [ledger]


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """`ledger_sensor`: one bounded pass a tick."""

    @dg.sensor(
        minimum_interval_seconds=settings.ledger_interval_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="One pass of the ledger per tick, within a time budget; reports `ledger` and `dead_letters`.",
    )
    def ledger_sensor(
        context: dg.SensorEvaluationContext, kafka: KafkaResource, postgres: PostgresResource
    ) -> dg.SensorResult | dg.SkipReason:
        try:
            group, limits = settings.kafka_consumer_group, Limits(settings.ledger_budget_s, RECOUNT_S)
            report = audit_committed(kafka, postgres, group, settings.kafka_topic, limits)
            if not report.ran:
                return dg.SkipReason("another pass is under way")
            return _tick_result(context, settings, postgres, report)
        except Pi3Error as error:
            return dg.SkipReason(f"unknown for now: {error}")

    return [ledger_sensor]


def _tick_result(
    context: dg.SensorEvaluationContext, settings: Settings, postgres: PostgresResource, report: PassReport
) -> dg.SensorResult:
    """What has changed since the last tick, by the cursor: the ledger's sums, the letters, and each verdict."""
    former: dict[str, Any] = json.loads(context.cursor) if context.cursor else {}
    found = _verdicts_after(context.instance, settings, report)
    restored = sum(partition.restored.count for partition in report.partitions.values())
    now = {
        "sums": {str(number): [t.covered, *t.counts.values(), t.acknowledged] for number, t in report.totals.items()},
        "dead": verdicts.tally(report.totals.values()).dead,
        "verdicts": {name: _state(name, verdict) for (_, name), verdict in found.items()},
    }
    told = former.get("verdicts", {})
    events: list[dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckEvaluation] = []
    if now["sums"] != former.get("sums") or restored:
        events.append(dg.AssetMaterialization(LEDGER, metadata=ledger_report.pass_metadata(report)))
    if now["dead"] != former.get("dead") or restored:
        letters = read_letters(postgres, settings.kafka_topic)
        events.append(dg.AssetMaterialization(DEAD_LETTERS, metadata=ledger_report.letters_metadata(letters)))
    events += [
        ledger_report.evaluation(asset, name, verdict)
        for (asset, name), verdict in found.items()
        if told.get(name) != _state(name, verdict)
    ]
    reason = None if events else f"nothing new in {report.duration_s:.1f} s"
    return dg.SensorResult(asset_events=events, cursor=json.dumps(now), skip_reason=reason)


def _state(name: str, verdict: Verdict) -> str:
    """What must change for a verdict to be told again: of a share the severity, else also the offsets it names."""
    if verdict.passed:
        return "passed"
    return verdict.severity.value if name == "dead_letter_share" else f"{verdict.severity.value} {verdict.description}"


def _verdicts_after(instance: dg.DagsterInstance, settings: Settings, report: PassReport) -> Named:
    standing = Standing.after(report)
    return {
        (LEDGER, "nothing_lost"): verdicts.nothing_lost(standing.totals, standing.lost, standing.gone),
        (LEDGER, "offsets_balance"): verdicts.offsets_balance(standing.totals),
        (DEAD_LETTERS, "dead_letter_share"): share_since(instance, settings, verdicts.tally(report.totals.values())),
    }


def checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """What the ledger proves; each is judged from its tables, whoever ran the last pass."""
    topic = settings.kafka_topic

    def judge_lost(postgres: PostgresResource) -> Verdict:
        found = read_standing(postgres, topic)
        return verdicts.nothing_lost(found.totals, found.lost, found.gone)

    def judge_backlog(kafka: KafkaResource, postgres: PostgresResource) -> Verdict:
        committed = kafka.committed(settings.kafka_consumer_group, topic)
        begins = {number: span.begin for number, span in kafka.offsets(topic).items()}
        found = read_standing(postgres, topic)
        backlog = found.backlog(committed, begins)
        return verdicts.audit_keeps_up(backlog, found.audited_age_s, settings.landing_patience_s)

    def judge_produced(kafka: KafkaResource, producer: ProducerResource) -> Verdict:
        acknowledged = producer.acknowledged()
        ends = {number: span.end for number, span in kafka.offsets(topic).items()}
        return verdicts.produced_equals_acknowledged(acknowledged, ends)

    @dg.asset_check(
        asset=LEDGER,
        description="No offset is LOST, and none is gone without an acknowledgement.",
    )
    def nothing_lost(postgres: PostgresResource) -> dg.AssetCheckResult:
        return judged(lambda: judge_lost(postgres))

    @dg.asset_check(asset=LEDGER, description="landed + superseded + dead + gone + LOST = all offsets, per partition.")
    def offsets_balance(postgres: PostgresResource) -> dg.AssetCheckResult:
        return judged(lambda: verdicts.offsets_balance(read_standing(postgres, topic).totals))

    @dg.asset_check(asset=LEDGER, description="What the job has committed is audited soon afterwards.")
    def audit_keeps_up(kafka: KafkaResource, postgres: PostgresResource) -> dg.AssetCheckResult:
        return judged(lambda: judge_backlog(kafka, postgres))

    @dg.asset_check(asset=LEDGER, description="The last deep audit found every row to be what its record says.")
    def deep_audit_clean(postgres: PostgresResource) -> dg.AssetCheckResult:
        return judged(lambda: verdicts.deep_audit_clean(read_deep_audit(postgres, topic)))

    @dg.asset_check(asset=PRODUCER, description="Every event that was acknowledged to our producers has an offset.")
    def produced_equals_acknowledged(kafka: KafkaResource, producer: ProducerResource) -> dg.AssetCheckResult:
        return judged(lambda: judge_produced(kafka, producer))

    return [nothing_lost, offsets_balance, audit_keeps_up, deep_audit_clean, produced_equals_acknowledged]


ledger_pass = dg.define_asset_job(
    "ledger_pass",
    selection=dg.AssetSelection.assets(LEDGER) | dg.AssetSelection.checks_for_assets(LEDGER, DEAD_LETTERS),
    description="Audit everything that the job has committed, in one run, and evaluate the ledger's checks.",
    tags=MAX_RUNTIME,
)


@dg.job(description="Compare every record of a range with the row it became.", tags=DEEP_AUDIT_MAX_RUNTIME)
def deep_audit() -> None:
    """Everything that is retained and committed, unless the configuration names a range."""
    ledger_ops.audit_deeply()


@dg.job(
    description="Acknowledge the offsets that are gone, so that the check nothing_lost judges new ones. Without "
    "dry_run: false, a reason, and confirm: <the topic's name> it only tells what that would cover.",
    tags=MAX_RUNTIME,
)
def acknowledge_gone() -> None:
    """They stay gone in the ledger; what is LOST cannot be acknowledged."""
    ledger_ops.acknowledge_gone_offsets()


def jobs() -> list["dg.JobDefinition | dg.UnresolvedAssetJobDefinition"]:
    """`ledger_pass`, `deep_audit` and `acknowledge_gone`."""
    return [ledger_pass, deep_audit, acknowledge_gone]


def schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The deep audit, nightly unless the settings say otherwise."""
    return [
        dg.ScheduleDefinition(
            name="deep_audit_schedule",
            job=deep_audit,
            cron_schedule=settings.deep_audit_cron,
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="The content of every row against its record.",
        )
    ]
