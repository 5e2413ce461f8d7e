"""The verbs of the ledger: audit, audit deeply, acknowledge, redrive, and count what is complete."""

from datetime import datetime

import dagster as dg

from orchestration import ledger_report as report
from orchestration.errors import ConfigurationError
from orchestration.ledger import acknowledgement, completeness, verdicts
from orchestration.ledger.audit import Limits, audit_committed
from orchestration.ledger.deep_audit import audited_ranges, run_deep_audit
from orchestration.ledger.letters import read_letters
from orchestration.ledger.redrive import Selection, load_fix
from orchestration.ledger.republish import Orders, redrive
from orchestration.ledger.standing import read_deep_audit, read_standing
from orchestration.ledger.verdicts import places
from orchestration.ops import NOTHING, RETRY, op
from orchestration.resources.brokers import Brokers
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.resources.topics import OffsetRange
from orchestration.settings import load_settings
from orchestration.times import parse_time


class PassConfig(dg.Config):
    """How long a pass may take before it leaves the rest to the next one."""

    time_budget_s: float = 600.0
    recount_budget_s: float = 60.0


@op(
    out=NOTHING,
    ins={"events": dg.In(dg.Nothing)},
    retry_policy=RETRY,
    description="Account for every offset that the job has committed since the last pass.",
)
def audit_offsets(
    context: dg.OpExecutionContext, config: PassConfig, kafka: KafkaResource, postgres: PostgresResource
) -> dg.Output[None]:
    """Metadata: the fates of the offsets, of this pass and of the whole ledger. Reports `dead_letters` too."""
    settings = load_settings()
    limits = Limits(config.time_budget_s, config.recount_budget_s)
    done = audit_committed(kafka, postgres, settings.kafka_consumer_group, settings.kafka_topic, limits)
    if not done.ran:
        raise dg.RetryRequested(max_retries=3, seconds_to_wait=settings.ledger_interval_s)
    letters = read_letters(postgres, settings.kafka_topic)
    context.log_event(dg.AssetMaterialization(report.DEAD_LETTERS, metadata=report.letters_metadata(letters)))
    return dg.Output(None, metadata=report.pass_metadata(done))


class DeepAuditConfig(dg.Config):
    """Which records to read: everything that is retained and committed, or one partition, or a part of it."""

    partition: int | None = None
    from_offset: int = 0
    to_offset: int | None = None


@op(out=NOTHING, description="Read every record of a range and compare it with the row it should have become.")
def audit_deeply(
    context: dg.OpExecutionContext, config: DeepAuditConfig, kafka: KafkaResource, postgres: PostgresResource
) -> None:
    """Observes `ledger` with what was read and found, and evaluates its check `deep_audit_clean`."""
    settings = load_settings()
    retained = kafka.offsets(settings.kafka_topic)
    chosen = {
        number: OffsetRange(config.from_offset, span.end if config.to_offset is None else config.to_offset)
        for number, span in retained.items()
        if config.partition in (None, number)
    }
    committed = kafka.committed(settings.kafka_consumer_group, settings.kafka_topic)
    ranges = audited_ranges(retained, committed, chosen)
    found = run_deep_audit(kafka, postgres, settings.kafka_topic, ranges)
    context.log_event(dg.AssetObservation(report.LEDGER, metadata=report.deep_audit_metadata(found)))
    verdict = verdicts.deep_audit_clean(read_deep_audit(postgres, settings.kafka_topic))
    context.log.info(verdict.description)
    context.instance.report_runless_asset_event(report.evaluation(report.LEDGER, "deep_audit_clean", verdict))


class AcknowledgeConfig(dg.Config):
    """`reason`: why what is gone is accepted, kept with it; `confirm`: the topic's name."""

    reason: str = ""
    confirm: str = ""
    dry_run: bool = True


@op(out=NOTHING, description="Acknowledge the offsets that are gone, with a reason and once confirmed.")
def acknowledge_gone_offsets(
    context: dg.OpExecutionContext, config: AcknowledgeConfig, postgres: PostgresResource
) -> None:
    """Observes `ledger` with what is acknowledged, or would be, and evaluates its check `nothing_lost` once it is.

    Not retried: a retry would acknowledge what nobody has seen, should more be gone by then.
    """
    topic = load_settings().kafka_topic
    found = read_standing(postgres, topic)
    if config.dry_run:
        context.log.info(f"an acknowledgement would cover {acknowledgement.in_words(found)}")
        planned = report.acknowledgement_metadata("acknowledgement planned", config.reason, found.gone, found.totals)
        context.log_event(dg.AssetObservation(report.LEDGER, metadata=planned))
        return
    acknowledgement.require_confirmation(config.confirm, topic, config.reason, found)
    done = acknowledgement.acknowledge_gone(postgres, topic, config.reason, context.run_id)
    left = read_standing(postgres, topic)
    metadata = report.acknowledgement_metadata("acknowledged", config.reason, done, left.totals)
    context.log_event(dg.AssetObservation(report.LEDGER, metadata=metadata))
    verdict = verdicts.nothing_lost(left.totals, left.lost, left.gone)
    context.log.info(f"acknowledged {places(done) or 'nothing'}; nothing_lost: {verdict.description}")
    context.instance.report_runless_asset_event(report.evaluation(report.LEDGER, "nothing_lost", verdict))


class RedriveConfig(dg.Config):
    """Which dead letters to send again, and how; each condition that is given narrows the choice.

    `since` and `until` are ISO times, by the record's own timestamp (UTC unless they say otherwise). `fix` is the
    dotted path of a function `(value: bytes, key: bytes | None) -> bytes | None`; None leaves the letter. A letter
    that would be dead again is left unless `even_if_invalid`, and one whose event has a younger row unless
    `overwrite_newer`. `unconfirmed` takes letters whose last redrive was cut off, `again` those sent before.
    """

    reasons: list[str] = []
    partition: int | None = None
    from_offset: int | None = None
    to_offset: int | None = None
    since: str | None = None
    until: str | None = None
    fix: str = ""
    limit: int = 10_000
    dry_run: bool = False
    even_if_invalid: bool = False
    overwrite_newer: bool = False
    unconfirmed: bool = False
    again: bool = False

    def selection(self) -> Selection:
        """The letters that are chosen.

        Raises:
            ConfigurationError: a time is none.
        """
        return Selection(
            reasons=tuple(self.reasons) or None,
            partition=self.partition,
            from_offset=self.from_offset,
            to_offset=self.to_offset,
            since=_time("since", self.since),
            until=_time("until", self.until),
            unconfirmed=self.unconfirmed,
            again=self.again,
        )


def _time(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_time(text)
    except ValueError as error:
        raise ConfigurationError(f"{name} is {text!r}, no ISO time such as 2026-03-01T12:00:00") from error


@op(out=NOTHING, description="Publish dead letters again, repaired if a fixing function is given; each once.")
def redrive_letters(context: dg.OpExecutionContext, config: RedriveConfig, postgres: PostgresResource) -> None:
    """Observes `dead_letters` with what was sent, what was left, and why. Not retried: a retry could send twice."""
    settings = load_settings()
    orders = Orders(
        selection=config.selection(),
        fix=load_fix(config.fix),
        run=context.run_id,
        limit=config.limit,
        even_if_invalid=config.even_if_invalid,
        overwrite_newer=config.overwrite_newer,
        dry_run=config.dry_run,
    )
    done = redrive(postgres, Brokers.of_producers(settings), settings.kafka_topic, orders)
    context.log.info(f"selected {done.selected:,}, published {len(done.published):,}, left {sum(done.left.values()):,}")
    letters = report.letters_metadata(read_letters(postgres, settings.kafka_topic))
    redriven = report.redrive_metadata(done, config.dry_run)
    context.log_event(dg.AssetObservation(report.DEAD_LETTERS, metadata={**letters, **redriven}))


@op(
    out=NOTHING,
    ins={"events_hourly": dg.In(dg.Nothing)},
    retry_policy=RETRY,
    description="Count the events per location of complete hours.",
)
def count_locations(context: dg.OpExecutionContext, postgres: PostgresResource) -> dg.Output[None]:
    """Metadata: rows written and the events they count, over the hours of this run."""
    hours = context.partition_time_window
    rows, events = completeness.replace_locations(postgres, hours.start, hours.end)
    return dg.Output(None, metadata={"hours": len(context.partition_keys), "rows": rows, "events": events})
