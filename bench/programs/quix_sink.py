"""quix-streams with its PostgreSQL sink: `quix_sink.py BOOTSTRAP_SERVERS TOPIC GROUP TABLE STATE_FOLDER`.

Runs in an environment of its own; libpq's variables name Postgres.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from quixstreams import Application
from quixstreams.sinks.community.postgresql import PostgreSQLSink


def main(bootstrap_servers: str, topic: str, group: str, table: str, state_folder: str) -> None:
    """Consume until ended."""
    application = Application(
        broker_address=bootstrap_servers,
        consumer_group=group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        state_dir=state_folder,
        commit_interval=2.0,
        commit_every=50_000,
        max_partition_buffer_size=50_000,
    )
    sink = PostgreSQLSink(
        host=os.environ["PGHOST"],
        port=int(os.environ["PGPORT"]),
        dbname=os.environ["PGDATABASE"],
        user=os.environ["PGUSER"],
        password=os.environ["PGPASSWORD"],
        table_name=table,
        primary_key_columns="event_id",
        upsert_on_primary_key=True,
        schema_auto_update=False,
        include_metadata=False,
    )
    events = application.dataframe(application.topic(topic, value_deserializer="json", key_deserializer="str"))
    events.apply(_kept).sink(sink)
    application.run()


def _kept(event: dict[str, Any]) -> dict[str, Any]:
    return {name: event[name] for name in ("event_id", "user_name", "location")}


if __name__ == "__main__":
    main(*sys.argv[1:])
