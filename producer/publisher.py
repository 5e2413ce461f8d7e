"""Sends records through confluent-kafka, losing none.

Settings of the client: https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

from confluent_kafka import KafkaError, KafkaException, Producer

from contract.event import MAX_RECORD_BYTES
from producer.counts import Counts
from producer.errors import PublishError, UsageError
from producer.journal import Journal
from producer.record import Kind, Record

_CONNECT_TIMEOUT_S: Final = 10
_QUEUE_FULL_WAIT_S: Final = 0.1
NO_OPTIONS: Final[Mapping[str, str]] = {}


class KafkaClient(Protocol):
    """What is used of ``confluent_kafka.Producer`` to send."""

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        *,
        on_delivery: Callable[[Any, Any], None],
        timestamp: int = 0,
    ) -> None:
        """Queue a record; raises BufferError if the queue is full."""

    def poll(self, timeout: float) -> int:
        """Serve callbacks, waiting up to ``timeout`` seconds for the first."""

    def flush(self, timeout: float) -> int:
        """Serve callbacks until nothing is queued or ``timeout`` seconds are over; gives the number still queued."""


class ClientErrors:
    """Errors the Kafka client tells of by itself, outside any one record."""

    def __init__(self) -> None:
        self.last = ""
        self.fatal = ""

    def __call__(self, error: KafkaError) -> None:
        self.last = error.str()
        if error.fatal():
            self.fatal = error.str()


def connect(
    bootstrap_servers: str, topic: str, client_id: str, errors: ClientErrors, options: Mapping[str, str] = NO_OPTIONS
) -> KafkaClient:
    """A Kafka client that is known to reach the topic; `options` are librdkafka's, and win over what is set here.

    Raises:
        UsageError: an option is wrong, or the topic is not reached within ten seconds.
    """
    client = _client(
        {
            "client.id": client_id,
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "lz4",
            # As Java clients do, so that one event_id has one partition whoever sends it.
            "partitioner": "murmur2_random",
            "linger.ms": 10,
            "allow.auto.create.topics": False,
            # The client counts the key and some framing too, so a record just below the contract's limit is refused:
            # Kafka's own default limit would refuse it at the broker.
            "message.max.bytes": MAX_RECORD_BYTES,
            "queue.buffering.max.kbytes": 65_536,
            # For ever: a record is not given up because the broker is away for long.
            "message.timeout.ms": 0,
            # Back within a second of the broker, not within the ten of the default.
            "reconnect.backoff.max.ms": 1_000,
            "log_level": 2,
            **options,
            "bootstrap.servers": bootstrap_servers,
            "error_cb": errors,
        }
    )
    try:
        known = client.list_topics(topic, timeout=_CONNECT_TIMEOUT_S).topics[topic]
    except KafkaException as error:
        client.poll(0)  # by which the client tells why
        raise UsageError(
            f"no Kafka broker answers at {bootstrap_servers} within {_CONNECT_TIMEOUT_S} s "
            f"({errors.last or error.args[0].str()}): start it (`make run`), name another one with "
            f"--bootstrap-servers, or mend the login in --client-options"
        ) from error
    if known.error is not None:
        raise UsageError(
            f"topic {topic!r} at {bootstrap_servers} cannot be used ({known.error.str()}): create it "
            f"(`make run` does) or name another one with --topic"
        )
    return client  # type: ignore[no-any-return, unused-ignore]


def _client(config: dict[str, Any]) -> Producer:
    try:
        return Producer(config)
    except KafkaException as error:
        raise UsageError(f"the Kafka client refuses its options ({error.args[0].str()}): mend them") from error


class Publisher:
    """Sends records to one topic and counts in ``counts`` what becomes of them; a ``journal`` tells of each one.

    While the client's queue is full, ``breathe`` is called with a time in seconds to poll for; it may raise.
    """

    def __init__(  # noqa: PLR0913 - what it sends to, and who hears of it
        self,
        client: KafkaClient,
        topic: str,
        counts: Counts,
        errors: ClientErrors,
        breathe: Callable[[float], None],
        *,
        journal: Journal | None = None,
    ) -> None:
        self._client = client
        self._topic = topic
        self._counts = counts
        self._errors = errors
        self._breathe = breathe
        self._journal = journal
        # One callback a kind: a closure for each record would cost more than the rest of the sending.
        self._on_delivery = {kind: partial(self._delivered, kind) for kind in Kind}

    def send(self, record: Record) -> None:
        """Queue one record, waiting while the queue is full. Raises PublishError once the client cannot go on."""
        on_delivery = self._on_delivery[record.kind]
        if self._journal is not None:
            on_delivery = partial(self._noted, self._journal, self._journal.hand(record), on_delivery)
        while True:
            if self._errors.fatal:
                raise PublishError(self._errors.fatal)
            try:
                self._client.produce(
                    self._topic,
                    record.value,
                    record.key,
                    on_delivery=on_delivery,
                    timestamp=record.timestamp_ms,
                )
            except BufferError:
                self._breathe(_QUEUE_FULL_WAIT_S)
            except KafkaException as error:
                self._refused(error)
                return
            else:
                self._counts.sent += 1
                return

    def _refused(self, raised: KafkaException) -> None:
        error: KafkaError = raised.args[0]
        if error.code() != KafkaError.MSG_SIZE_TOO_LARGE:
            raise PublishError(error.str()) from raised
        self._counts.refused[error.name()] += 1

    def _delivered(self, kind: Kind, error: KafkaError | None, message: Any) -> None:  # noqa: ANN401
        if error is None:
            self._counts.acknowledge(kind, message.partition(), message.offset())
        else:
            self._counts.failures[error.name()] += 1

    @staticmethod
    def _noted(
        journal: Journal,
        number: int,
        on_delivery: Callable[[Any, Any], None],
        error: KafkaError | None,
        message: Any,  # noqa: ANN401
    ) -> None:
        if error is None:
            journal.acknowledge(number, message.partition(), message.offset())
        else:
            journal.fail(number, error.name())
        on_delivery(error, message)
