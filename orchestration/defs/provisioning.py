"""Assets that the pipeline stands on: the topic, the table, and the producers that feed it."""

from typing import Any

import dagster as dg

from orchestration import ops
from orchestration.settings import Settings

OWNER = "team:data-platform"
AFTER = dg.AssetIn(dagster_type=dg.Nothing)


def common(group: str, kinds: set[str]) -> dict[str, Any]:
    """What every asset says of itself in the graph."""
    return {"group_name": group, "kinds": kinds, "owners": [OWNER]}


def assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """`events_topic`, `events_table` and `event_producer`."""

    @dg.graph_asset(
        **common("provisioning", {"kafka"}),
        description=f"Kafka topic `{settings.kafka_topic}`: created if absent, verified; drift is reported.",
        metadata={"topic": settings.kafka_topic, "bootstrap_servers": settings.kafka_bootstrap_servers},
    )
    def events_topic() -> Any:  # noqa: ANN401 - a graph is composed of dagster's own invocations
        return ops.provision_topic()

    @dg.graph_asset(
        **common("provisioning", {"postgres", "table"}),
        description="Schema of the table `events`: versioned migrations, indexes and the grants of each role.",
        metadata={"dagster/table_name": f"{settings.postgres_database}.public.events"},
    )
    def events_table() -> Any:  # noqa: ANN401
        return ops.provision_table()

    @dg.graph_asset(
        **common("ingestion", {"python", "kafka"}),
        ins={"events_topic": AFTER, "events_table": AFTER},
        description="Producers as processes of their own: the sample file, sent once, and a generator that goes on.",
        metadata={"topic": settings.kafka_topic},
    )
    def event_producer(events_topic: Any, events_table: Any) -> Any:  # noqa: ANN401
        return ops.launch_producers(events_topic=events_topic, events_table=events_table)

    return [events_topic, events_table, event_producer]
