"""`pi3 consume` and `pi3 produce`: records of a topic, read without a group, and one sent as the producer sends."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final

import typer

from orchestration.errors import ConfigurationError, TransientError
from orchestration.pi3 import servers
from orchestration.pi3.output import AsJson, show, show_line
from orchestration.text import as_text

if TYPE_CHECKING:
    from orchestration.ledger.reader import RawRecord
    from orchestration.resources.brokers import Brokers
    from orchestration.resources.topics import OffsetRange

FLUSH_TIMEOUT_S: Final = 30
PRODUCE_EXAMPLE: Final = """Example: pi3 produce '{"event_id": "e1", "user_name": "Ana", "location": "Lisbon"}'"""

Topic = Annotated[str | None, typer.Option(help="Default: the stream's topic.")]


def consume(
    from_beginning: Annotated[bool, typer.Option("--from-beginning", help="From the oldest retained record.")] = False,
    offset: Annotated[int | None, typer.Option(help="From this offset; -10: the last ten of each partition.")] = None,
    partition: Annotated[int | None, typer.Option(min=0, help="This partition alone.")] = None,
    most: Annotated[int | None, typer.Option("--max", min=1, help="At most so many records.")] = None,
    topic: Topic = None,
    as_json: AsJson = False,
) -> None:
    """Read what is in a topic now, partition by partition; no group is joined and nothing is committed.

    Each line has partition, offset, timestamp in ms, key and value, apart by tabs; --json: one object a line.
    """
    if from_beginning == (offset is not None):
        raise ConfigurationError("say where to begin: either --from-beginning or --offset N")
    found = servers.connect()
    name = topic or found.settings.kafka_topic
    spans = wanted(found.kafka.offsets(name), offset, partition)
    for record in islice(_read(found.kafka.brokers, name, spans), most):
        row = {
            "partition": record.partition,
            "offset": record.offset,
            "timestamp_ms": record.timestamp_ms,
            "key": _text(record.key),
            "value": _text(record.value),
        }
        headers = {"headers": [[name, _text(value)] for name, value in record.headers]} if as_json else {}
        show_line(row | headers, as_json)


def wanted(spans: Mapping[int, OffsetRange], offset: int | None, partition: int | None) -> dict[int, OffsetRange]:
    """The offsets to read: what is retained from `offset` on, a negative one counted from the end, None: all.

    Raises:
        ConfigurationError: there is no such partition.
    """
    from orchestration.resources.topics import OffsetRange

    if partition is not None and partition not in spans:
        raise ConfigurationError(f"no partition {partition}: the topic has {', '.join(map(str, spans))}")
    chosen = {number: span for number, span in spans.items() if partition in (None, number)}
    begins = {
        number: span.begin if offset is None else offset if offset >= 0 else span.end + offset
        for number, span in chosen.items()
    }
    return {
        number: OffsetRange(min(span.end, max(span.begin, begins[number])), span.end) for number, span in chosen.items()
    }


def _read(brokers: Brokers, topic: str, spans: Mapping[int, OffsetRange]) -> Iterator[RawRecord]:
    from orchestration.ledger.reader import RecordReader

    with RecordReader(brokers, topic) as reader:
        for number, span in spans.items():
            yield from reader.read_range(number, span.begin, span.end)


def produce(
    value: Annotated[str | None, typer.Argument(help="The message; without it, standard input.")] = None,
    topic: Topic = None,
    as_json: AsJson = False,
) -> None:
    """Send one message, keyed by its event_id, with the producer's settings; tells where it went once it is safe."""
    message = sys.stdin.buffer.read().rstrip(b"\r\n") if value is None else value.encode("utf-8", "surrogateescape")
    if not message:
        raise ConfigurationError("no message: give it as an argument, or on standard input")
    from orchestration.resources.brokers import Brokers

    settings = servers.connect().settings
    key, partition, offset = send(Brokers.of_producers(settings), topic or settings.kafka_topic, message)
    row = {"partition": partition, "offset": offset, "key": _text(key), "becomes": becomes(message)}
    show({"produced": [row]}, as_json)


def send(brokers: Brokers, topic: str, message: bytes) -> tuple[bytes | None, int, int]:
    """Send one record; returns its key, partition and offset.

    Raises:
        ConfigurationError: no broker or no such topic, or the client refuses the record.
        TransientError: the broker has not acknowledged it in time.
    """
    from producer.counts import Counts
    from producer.errors import PublishError, UsageError
    from producer.publisher import ClientErrors, Publisher, connect
    from producer.record import Record, key_of

    errors, counts, key = ClientErrors(), Counts(), key_of(message)
    try:
        client = connect(brokers.bootstrap_servers, topic, "pi3", errors, brokers.plain())
        # Alone in the queue, the record never finds it full, so there is nothing to breathe for.
        Publisher(client, topic, counts, errors, lambda _: None).send(Record(message, key))
    except (UsageError, PublishError) as error:
        raise ConfigurationError(str(error)) from error
    client.flush(FLUSH_TIMEOUT_S)
    for number, count in counts.partitions.items():
        return key, number, count.last_offset
    if counts.refused or counts.failures:
        raise ConfigurationError(f"the message was refused: {', '.join([*counts.refused, *counts.failures])}")
    raise TransientError(
        f"no acknowledgement within {FLUSH_TIMEOUT_S} s, so the message may be in {topic} or not ({errors.last}): "
        "look with `pi3 consume --offset -10`, then send it again; an event of the same event_id lands once"
    )


def becomes(message: bytes) -> str:
    """What the ledger will call the record."""
    from contract.event import EventRow
    from orchestration.ledger.validator import validate

    verdict = validate(message)
    return "event" if isinstance(verdict, EventRow) else f"dead letter: {verdict.reason.value}, {verdict.detail}"


def _text(value: bytes | None) -> str | None:
    return None if value is None else as_text(value)
