"""The verbs: provision, launch, stop. Each is an op of its own; the assets wrap them, and jobs reuse them.

Those of the Flink job are in `lifecycle_ops`, those of the ledger in `ledger_ops`.
"""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import dagster as dg

from orchestration.errors import Pi3Error, TransientError
from orchestration.resources.kafka import KafkaResource, TopicSpec
from orchestration.resources.postgres import PostgresResource
from orchestration.resources.producer import ProducerReport, ProducerResource, ProducerSpec
from orchestration.settings import REPOSITORY, load_settings

NOTHING = dg.Out(dg.Nothing)
# A server that is being restarted is back within seconds; whatever lasts longer should be seen.
RETRY = dg.RetryPolicy(max_retries=2, delay=3)

SAMPLE = REPOSITORY / "producer" / "samples" / "splitpay.ndjson"


def op(**options: Any) -> Callable[[Callable[..., Any]], dg.OpDefinition]:  # noqa: ANN401 - as `dg.op` takes them
    """`dg.op` for a verb that is no generator: its retry policy is for what may pass by itself.

    An error that somebody has to mend first fails the step at once, in the error's own words.
    """

    def define(verb: Callable[..., Any]) -> dg.OpDefinition:
        @wraps(verb)
        def attempt(*args: Any, **values: Any) -> Any:  # noqa: ANN401 - those of the verb
            try:
                return verb(*args, **values)
            except TransientError:
                raise
            except Pi3Error as error:
                raise dg.Failure(str(error), allow_retries=False) from error

        defined: dg.OpDefinition = dg.op(**options)(attempt)
        return defined

    return define


class ProducersConfig(dg.Config):
    """Which producers to ensure: the sample file, sent once, and a generator that goes on."""

    sample_file: bool = True
    generator: bool = True


@op(out=NOTHING, retry_policy=RETRY, description="Create the topic if it is absent, verify it, report drift.")
def provision_topic(context: dg.OpExecutionContext, kafka: KafkaResource) -> dg.Output[None]:
    """Metadata: partitions, retention and each difference from the settings."""
    report = kafka.ensure_topic(TopicSpec.of(load_settings()))
    for line in report.drift:
        context.log.warning(line)
    return dg.Output(
        None,
        metadata={
            "created": report.created,
            "partitions": report.partitions,
            "replication_factor": report.replication_factor,
            "retention_hours": report.retention_ms / 3_600_000,
            "cleanup_policy": report.cleanup_policy,
            "drift": dg.MetadataValue.md("\n".join(f"- {line}" for line in report.drift) or "none"),
        },
    )


@op(out=NOTHING, retry_policy=RETRY, description="Apply the SQL migrations and verify the table's columns.")
def provision_table(context: dg.OpExecutionContext, postgres: PostgresResource) -> dg.Output[None]:
    """Metadata: the schema's version, what was applied, and the rows in the table."""
    report = postgres.migrate()
    context.log.info(f"schema version {report.current_version}; applied {report.applied or 'nothing, all was there'}")
    return dg.Output(
        None,
        metadata={
            "schema_version": report.current_version,
            "applied": ", ".join(map(str, report.applied)) or "nothing new",
            "rows": postgres.total_rows(),
        },
    )


@op(
    out=NOTHING,
    # The table too: with a wrong one nothing is produced that could not land.
    ins={"events_topic": dg.In(dg.Nothing), "events_table": dg.In(dg.Nothing)},
    retry_policy=RETRY,
    description="Ensure that the producers run: the sample file, sent once, and a generator.",
)
def launch_producers(
    context: dg.OpExecutionContext, config: ProducersConfig, producer: ProducerResource
) -> dg.Output[None]:
    """Metadata: the producers and what each has had acknowledged so far."""
    settings = load_settings()
    wanted = []
    if config.sample_file:
        wanted.append(ProducerSpec(id="sample", file=SAMPLE))
    if config.generator:
        wanted.append(
            ProducerSpec(
                id="generator",
                rate_per_s=settings.producer_rate_per_s,
                count=settings.producer_count,
                seed=settings.producer_seed,
                malformed_share=settings.producer_malformed_share,
                late_share=settings.producer_late_share,
                duplicate_share=settings.producer_duplicate_share,
            )
        )
    for spec in wanted:
        launched = producer.ensure(spec)
        context.log.info(f"producer {launched.name}: {launched.action}")
    return dg.Output(None, metadata=_producer_metadata(producer.reports()))


def _producer_metadata(reports: Sequence[ProducerReport]) -> dict[str, int | dg.MetadataValue]:
    lines = [
        f"| {report.name} | {report.state} | {report.source} | {report.acknowledged:,} | {report.refused} |"
        for report in reports
    ]
    table = "| producer | state | source | acknowledged | refused |\n|---|---|---|---|---|\n" + "\n".join(lines)
    return {"acknowledged": sum(r.acknowledged for r in reports), "producers": dg.MetadataValue.md(table)}


@op(out=NOTHING, description="Stop the producers that we launched; each flushes what it holds first.")
def stop_producers(context: dg.OpExecutionContext, producer: ProducerResource) -> dg.Output[None]:
    """Metadata: how many were stopped."""
    stopped = producer.stop_all()
    context.log.info(f"stopped {len(stopped)} producers: {', '.join(stopped) or 'none was running'}")
    return dg.Output(None, metadata={"stopped": len(stopped)})
