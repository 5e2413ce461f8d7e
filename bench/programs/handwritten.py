"""A consumer as one writes it by hand: `handwritten BOOTSTRAP_SERVERS TOPIC GROUP TABLE`.

libpq's variables name Postgres. Batches of up to 10,000 records: three fields decoded, the last of equal ids kept, COPY
into a temporary table, upsert from there, commit in Postgres and then in Kafka. For the table `events` it brings
partition, offset and timestamp too.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path

import msgspec
import psycopg2
from confluent_kafka import Consumer, Message

from bench.table import EVENTS
from orchestration.resources.sql_files import sql_file

SQL = Path(__file__).with_name("sql")
BATCH = 10_000
WAIT_S = 0.1


class Event(msgspec.Struct):
    """The fields that are kept."""

    event_id: str
    user_name: str
    location: str


decode = msgspec.json.Decoder(Event).decode


def main(bootstrap_servers: str, topic: str, group: str, table: str) -> None:
    """Consume until ended."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe([topic])
    connection = psycopg2.connect("")
    with connection, connection.cursor() as cursor:
        cursor.execute(sql_file(SQL, f"staging_{table}"))
    lines = lines_with_provenance if table == EVENTS else lines_plain
    upsert = sql_file(SQL, f"upsert_{table}")
    while True:
        messages = consumer.consume(BATCH, WAIT_S)
        if not messages:
            continue
        rows = {event.event_id: line for event, line in lines(messages)}
        with connection, connection.cursor() as cursor:
            cursor.execute("TRUNCATE staging")
            cursor.copy_expert("COPY staging FROM STDIN", io.StringIO("".join(rows.values())))
            cursor.execute(upsert)
        consumer.commit(asynchronous=False)


def lines_plain(messages: Iterable[Message]) -> Iterable[tuple[Event, str]]:
    for message in messages:
        event = _event(message)
        if event is not None:
            yield event, f"{_escaped(event.event_id)}\t{_escaped(event.user_name)}\t{_escaped(event.location)}\n"


def lines_with_provenance(messages: Iterable[Message]) -> Iterable[tuple[Event, str]]:
    for message in messages:
        event = _event(message)
        if event is not None:
            at = datetime.fromtimestamp(message.timestamp()[1] / 1000, timezone.utc).isoformat()
            yield (
                event,
                f"{_escaped(event.event_id)}\t{_escaped(event.user_name)}\t{_escaped(event.location)}\t"
                f"{message.partition()}\t{message.offset()}\t{at}\n",
            )


def _event(message: Message) -> Event | None:
    value = message.value()
    try:
        return decode(value) if value else None
    except msgspec.MsgspecError:
        return None


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
