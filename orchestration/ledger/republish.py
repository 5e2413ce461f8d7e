"""Publishes dead letters again: claim, send, confirm.

A claim is committed before its letter is sent, and confirmed after the broker has acknowledged it. So a crash between
the two leaves a claim without a confirmation, which shows in `dead_letters` and is redriven only when asked to: the
letter may already be in the topic.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import psycopg2.extensions

from contract.event import MAX_RECORD_BYTES
from orchestration.ledger.redrive import (
    Fix,
    Left,
    LeftLetter,
    Letter,
    Outgoing,
    Place,
    Selection,
    prepare,
    without_newer,
)
from orchestration.ledger.statements import statement
from orchestration.resources.brokers import Brokers
from orchestration.resources.postgres import PostgresResource

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Message

ROLE: Final = "auditor"
BATCH: Final = 500
EXAMPLES: Final = 10
DELIVERY_TIMEOUT_S: Final = 30
# As the producer's own client, so that one event_id has one partition whoever sends it.
CLIENT: Final = {
    "client.id": "pi3-redrive",
    "enable.idempotence": True,
    "acks": "all",
    "compression.type": "lz4",
    "partitioner": "murmur2_random",
    "allow.auto.create.topics": False,
    "message.max.bytes": MAX_RECORD_BYTES,
    "message.timeout.ms": DELIVERY_TIMEOUT_S * 1000,
}


@dataclass(frozen=True)
class Orders:
    """How to redrive: `limit` letters at most; `run` names who claims them."""

    selection: Selection
    fix: Fix | None
    run: str
    limit: int
    even_if_invalid: bool = False
    overwrite_newer: bool = False
    dry_run: bool = False


@dataclass
class RedriveReport:
    """What a redrive did, or, if it was a dry run, would do; `published` maps a letter's place to its new one."""

    selected: int = 0
    sendable: int = 0
    published: dict[Place, Place] = field(default_factory=dict)
    left: Counter[Left] = field(default_factory=Counter)
    examples: list[LeftLetter] = field(default_factory=list)

    def leave(self, letters: Iterable[LeftLetter]) -> None:
        """Count letters that were left, and keep the first as examples."""
        for letter in letters:
            self.left[letter.why] += 1
            if len(self.examples) < EXAMPLES:
                self.examples.append(letter)


@dataclass
class Sent:
    """What became of a batch; what is in neither was not confirmed."""

    published: dict[Place, Place] = field(default_factory=dict)
    refused: dict[Place, str] = field(default_factory=dict)


def redrive(postgres: PostgresResource, brokers: Brokers, topic: str, orders: Orders) -> RedriveReport:
    """Redrive the letters of `topic` that the orders select, batch by batch.

    Raises:
        ConfigurationError: the selection selects everything, or names a reason that there is not.
        TransientError: Postgres is out of reach; what was published by then is confirmed, but for the last batch.
    """
    orders.selection.check()
    with postgres.connect(ROLE) as connection:
        redrive = _Redrive(connection, brokers, topic, orders)
        for letters in redrive.batches():
            redrive.take(letters)
    return redrive.report


@dataclass
class _Redrive:
    """One redrive under way."""

    connection: psycopg2.extensions.connection
    brokers: Brokers
    topic: str
    orders: Orders
    report: RedriveReport = field(default_factory=RedriveReport)

    def batches(self) -> Iterator[list[Letter]]:
        """The selected letters in the order of their places, from one keyset to the next."""
        after, left = (-1, -1), self.orders.limit
        while left > 0 and (letters := self._candidates(after, min(left, BATCH))):
            yield letters
            after, left = letters[-1].place, left - len(letters)

    def take(self, letters: Sequence[Letter]) -> None:
        """Send what of a batch can be sent, and report the rest."""
        self.report.selected += len(letters)
        outgoing = self._sendable(letters)
        self.report.sendable += len(outgoing)
        if outgoing and not self.orders.dry_run:
            self._send(outgoing)

    def _candidates(self, after: Place, limit: int) -> list[Letter]:
        selection = self.orders.selection
        parameters = vars(selection) | {
            "topic": self.topic,
            "reasons": list(selection.reasons) if selection.reasons is not None else None,
            "states": selection.states,
            "after_partition": after[0],
            "after_offset": after[1],
            "limit": limit,
        }
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(statement("redrive_candidates"), parameters)
            return [_letter(row) for row in cursor.fetchall()]

    def _sendable(self, letters: Sequence[Letter]) -> list[Outgoing]:
        prepared = [prepare(letter, self.topic, self.orders.fix, self.orders.even_if_invalid) for letter in letters]
        self.report.leave(item for item in prepared if isinstance(item, LeftLetter))
        outgoing = [item for item in prepared if isinstance(item, Outgoing)]
        if self.orders.overwrite_newer:
            return outgoing
        outgoing, left = without_newer(outgoing, self._newer_rows(outgoing))
        self.report.leave(left)
        return outgoing

    def _newer_rows(self, outgoing: Sequence[Outgoing]) -> set[str]:
        events = [(item.event_id, item.letter.produced_at) for item in outgoing if item.event_id is not None]
        parameters = {"event_ids": [event for event, _ in events], "produced_at": [at for _, at in events]}
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(statement("redrive_newer_rows"), parameters)
            return {event_id for (event_id,) in cursor.fetchall()}

    def _send(self, outgoing: Sequence[Outgoing]) -> None:
        claimed = claim(self.connection, self.topic, [item.letter for item in outgoing], self.orders.run)
        mine = {item.letter.place: item for item in outgoing if item.letter.place in claimed}
        self.report.leave(LeftLetter(i.letter.place, Left.TAKEN) for i in outgoing if i.letter.place not in mine)
        sent = publish(self.brokers, self.topic, list(mine.values()))
        confirm(self.connection, self.topic, sent)
        self.report.published |= sent.published
        self.report.leave(LeftLetter(place, Left.REFUSED, why) for place, why in sent.refused.items())
        unknown = mine.keys() - sent.published.keys() - sent.refused.keys()
        self.report.leave(LeftLetter(place, Left.UNCONFIRMED) for place in sorted(unknown))


def _letter(row: tuple[Any, ...]) -> Letter:
    partition, offset, reason, key, value, headers, produced_at, attempts = row
    decoded = tuple((name, None if text is None else base64.b64decode(text)) for name, text in headers)
    return Letter((partition, offset), reason, _bytes(key), _bytes(value), decoded, produced_at, attempts)


def _bytes(column: memoryview | None) -> bytes | None:
    return None if column is None else bytes(column)


def claim(connection: psycopg2.extensions.connection, topic: str, letters: Sequence[Letter], run: str) -> set[Place]:
    """Claim letters for sending; of two claims at once on a letter one gets it. Gives the places that are ours."""
    parameters = {
        "topic": topic,
        "run": run,
        "partitions": [letter.place[0] for letter in letters],
        "offsets": [letter.place[1] for letter in letters],
        "attempts": [letter.attempts for letter in letters],
    }
    with connection, connection.cursor() as cursor:
        cursor.execute(statement("redrive_claim"), parameters)
        return {(partition, offset) for partition, offset in cursor.fetchall()}


def publish(brokers: Brokers, topic: str, outgoing: Sequence[Outgoing]) -> Sent:
    """Send the records and wait for each one's end: published, refused before it was sent, or not confirmed."""
    from confluent_kafka import KafkaException, Producer

    sent = Sent()
    producer = Producer(brokers.config(CLIENT))
    for item in outgoing:
        delivered = partial(_delivered, sent, item.letter.place)
        try:
            producer.produce(topic, item.value, item.key, headers=list(item.headers), on_delivery=delivered)
        except KafkaException as error:
            sent.refused[item.letter.place] = error.args[0].str()
        producer.poll(0)
    producer.flush(DELIVERY_TIMEOUT_S + 5)
    return sent


def _delivered(sent: Sent, place: Place, error: KafkaError | None, message: Message) -> None:
    partition, offset = message.partition(), message.offset()
    if error is None and partition is not None and offset is not None:
        sent.published[place] = (partition, offset)


def confirm(connection: psycopg2.extensions.connection, topic: str, sent: Sent) -> None:
    """Note the new places of what was published, and give back the claims on what was refused, in one transaction."""
    published = {
        "topic": topic,
        "partitions": [partition for partition, _ in sent.published],
        "offsets": [offset for _, offset in sent.published],
        "new_partitions": [partition for partition, _ in sent.published.values()],
        "new_offsets": [offset for _, offset in sent.published.values()],
    }
    refused = {
        "topic": topic,
        "partitions": [partition for partition, _ in sent.refused],
        "offsets": [offset for _, offset in sent.refused],
    }
    with connection, connection.cursor() as cursor:
        cursor.execute(statement("redrive_published"), published)
        cursor.execute(statement("redrive_refused"), refused)
