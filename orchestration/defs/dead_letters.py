"""Dead letters in Dagster: the asset, the check on their share, and the job that sends them again."""

import time

import dagster as dg

from orchestration import ledger_ops
from orchestration.defs.checks import judged
from orchestration.defs.jobs import MAX_RUNTIME
from orchestration.defs.provisioning import common
from orchestration.ledger import verdicts
from orchestration.ledger.letters import read_deleted
from orchestration.ledger.standing import read_standing
from orchestration.ledger_report import DEAD_LETTERS, LEDGER
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import Settings
from orchestration.verdicts import Verdict


def assets(settings: Settings) -> list[dg.AssetSpec]:
    """`dead_letters`, reported by the passes of the ledger."""
    return [
        dg.AssetSpec(
            DEAD_LETTERS,
            deps=[LEDGER],
            **common("ledger", {"postgres", "table"}),
            description="Records that are no valid event, with reason, raw bytes and headers. The ledger writes them; "
            "the job `redrive` sends them again.",
            metadata={"dagster/table_name": f"{settings.postgres_database}.public.dead_letters"},
        )
    ]


def checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """`dead_letter_share`: a bad deployment must shout; `letters_kept`: no letter may vanish."""

    def judge_share(instance: dg.DagsterInstance, postgres: PostgresResource) -> Verdict:
        now = verdicts.tally(read_standing(postgres, settings.kafka_topic).totals.values())
        return share_since(instance, settings, now)

    def judge_kept(postgres: PostgresResource) -> Verdict:
        deleted = read_deleted(postgres, settings.kafka_topic, settings.dead_letter_window_s)
        return verdicts.letters_kept(deleted, settings.dead_letter_window_s)

    @dg.asset_check(asset=DEAD_LETTERS, description="Few of the events audited lately are dead letters.")
    def dead_letter_share(context: dg.AssetCheckExecutionContext, postgres: PostgresResource) -> dg.AssetCheckResult:
        return judged(lambda: judge_share(context.instance, postgres))

    @dg.asset_check(asset=DEAD_LETTERS, description="No dead letter was deleted lately.")
    def letters_kept(postgres: PostgresResource) -> dg.AssetCheckResult:
        return judged(lambda: judge_kept(postgres))

    return [dead_letter_share, letters_kept]


def share_since(instance: dg.DagsterInstance, settings: Settings, now: verdicts.Tally) -> Verdict:
    """The verdict on the share within the window, whose beginning is in the history of `ledger`."""
    return verdicts.dead_letter_share(
        now,
        _tally_before(instance, time.time() - settings.dead_letter_window_s),
        settings.dead_letter_window_s,
        settings.dead_letter_share_warn,
        settings.dead_letter_share_error,
    )


def _tally_before(instance: dg.DagsterInstance, moment_s: float) -> verdicts.Tally | None:
    """What the last pass before a moment (Unix time) told; None if there was none."""
    before = dg.AssetRecordsFilter(asset_key=LEDGER, before_timestamp=moment_s)
    records = instance.fetch_materializations(before, limit=1).records
    materialization = records[0].asset_materialization if records else None
    if materialization is None:
        return None
    told = {name: materialization.metadata[name].value for name in ("audited", "dead")}
    return verdicts.Tally(**{name: value for name, value in told.items() if isinstance(value, int)})


@dg.job(description="Publish dead letters again, repaired if a fixing function is given.", tags=MAX_RUNTIME)
def redrive() -> None:
    """Its configuration selects the letters; without one nothing is selected."""
    ledger_ops.redrive_letters()


def jobs() -> list[dg.JobDefinition]:
    """`redrive`."""
    return [redrive]
