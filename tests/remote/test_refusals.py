"""What the secured servers refuse, each principal what is not its own, and what we say of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from pydantic import SecretStr

from orchestration.defs.resources import resources
from orchestration.errors import ConfigurationError
from orchestration.flink.client import Access, FlinkClient
from orchestration.flink.errors import FlinkRejected
from orchestration.ledger.reader import RecordReader
from orchestration.resources.brokers import Brokers
from orchestration.resources.kafka_rights import refusal
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import Settings
from tests.remote.authority import Authority
from tests.remote.kafka import DAGSTER, FLINK, PRODUCER
from tests.remote.site import Site

TOPIC_REFUSED, GROUP_REFUSED = KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED
Try = Callable[[Site, str], int | None]


@pytest.fixture
def settings(site: Site) -> Settings:
    """The site's."""
    return site.settings


@pytest.fixture
def postgres(site: Site) -> PostgresResource:
    """The site's, as every asset has it."""
    found: PostgresResource = resources(site.settings)["postgres"]
    return found


def write(site: Site, principal: str) -> int | None:
    """Send a record."""
    codes: list[int | None] = []
    producer = Producer(site.broker.client(principal) | {"message.timeout.ms": 10_000})
    producer.produce(site.settings.kafka_topic, b"x", on_delivery=lambda error, _: codes.append(_code(error)))
    assert producer.flush(15) == 0
    return codes[0]


def read(site: Site, principal: str) -> int | None:
    """Read from the topic's begin; a record or its end is no refusal."""
    consumer = Consumer(_consuming(site, principal))
    try:
        consumer.assign([TopicPartition(site.settings.kafka_topic, 0, 0)])
        message = consumer.poll(15)
        assert message is not None
        error = message.error()
        return None if error is None or error.code() == KafkaError._PARTITION_EOF else error.code()
    finally:
        consumer.close()


def commit(site: Site, principal: str) -> int | None:
    """Move the stream's offsets to where they are at the start."""
    consumer = Consumer(_consuming(site, principal) | {"group.id": f"{site.settings.kafka_consumer_group}"})
    try:
        consumer.commit(offsets=[TopicPartition("another", 0, 0)], asynchronous=False)
    except KafkaException as error:
        return _code(error.args[0])
    finally:
        consumer.close()
    return None


def _consuming(site: Site, principal: str) -> dict[str, Any]:
    return site.broker.client(principal) | {"group.id": "pi3-ledger-test", "enable.partition.eof": True}


def _code(error: KafkaError | None) -> int | None:
    return None if error is None else int(error.code())


@pytest.mark.parametrize(
    ("principal", "what", "refused"),
    [
        (PRODUCER, read, {TOPIC_REFUSED, GROUP_REFUSED}),
        # It is not even told which broker keeps the group.
        (PRODUCER, commit, {GROUP_REFUSED, KafkaError._WAIT_COORD}),
        (FLINK, write, {TOPIC_REFUSED}),
        (DAGSTER, write, {TOPIC_REFUSED}),
        (DAGSTER, read, set()),
        (DAGSTER, commit, {GROUP_REFUSED}),
    ],
)
def test_each_principal_may_do_its_own_and_no_more(principal: str, what: Try, refused: set[int], site: Site) -> None:
    code = what(site, principal)
    assert code in refused if refused else code is None


def test_what_is_not_allowed_is_told_with_the_remedy(site: Site) -> None:
    brokers = Brokers(site.broker.address, _options(site, PRODUCER))
    with (
        pytest.raises(ConfigurationError, match=r"authorization failed.*pi3 preflight"),
        RecordReader(brokers, site.settings.kafka_topic, timeout_s=15) as reader,
    ):
        list(reader.read_range(0, 0, 10))


def _options(site: Site, principal: str, **changes: str) -> dict[str, SecretStr]:
    found = {**site.broker.options(principal), "sasl.password": site.passwords[principal]}
    found |= {name.replace("_", "."): value for name, value in changes.items()}
    return {name: SecretStr(value) for name, value in found.items()}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"sasl_password": "wrong"}, "authentication"),
        ({"sasl_username": "stranger"}, "authentication"),
        ({"security_protocol": "SASL_PLAINTEXT"}, ""),
    ],
)
def test_a_login_is_refused_with_a_reason(changes: dict[str, str], words: str | None, site: Site) -> None:
    found = refusal(Brokers(site.broker.address, _options(site, DAGSTER, **changes)))
    assert (found is None) == (words is None)
    assert (words or "") in (found or "").lower()


def test_a_broker_that_is_not_who_it_should_be_is_not_trusted(site: Site, tmp_path: Path) -> None:
    stranger = str(Authority(tmp_path).file)
    found = refusal(Brokers(site.broker.address, _options(site, DAGSTER, ssl_ca_location=stranger)))
    assert "certificate verify failed" in (found or "")


def test_postgres_lets_nobody_in_without_tls(postgres: PostgresResource) -> None:
    plain = dataclasses.replace(postgres, options={"sslmode": SecretStr("disable")})
    with pytest.raises(ConfigurationError, match=r"no encryption.*PI3_POSTGRES_OPTIONS"), plain.connect("reader"):
        pass
    assert postgres.encryption() == "TLSv1.3"


def test_a_postgres_that_is_not_who_it_should_be_is_not_trusted(postgres: PostgresResource, tmp_path: Path) -> None:
    stranger = {**postgres.options, "sslrootcert": SecretStr(str(Authority(tmp_path).file))}
    for other in (dataclasses.replace(postgres, options=stranger), dataclasses.replace(postgres, host="127.0.0.1")):
        with pytest.raises(ConfigurationError, match=r"certificate.*PI3_POSTGRES_OPTIONS"), other.connect("reader"):
            pass


@pytest.mark.parametrize("token", ["", "wrong"])
def test_flink_is_for_whoever_has_the_token(token: str, site: Site, settings: Settings) -> None:
    refused = site.proxy.refused
    with pytest.raises(FlinkRejected, match="401: Refused; is the token right"):
        FlinkClient(settings.flink_rest_url, access=Access(settings.flink_rest_ca_file, SecretStr(token))).overview()
    assert site.proxy.refused == refused + 1


def test_a_flink_that_is_not_who_it_should_be_is_not_trusted(settings: Settings, tmp_path: Path) -> None:
    access = Access(Authority(tmp_path).file, settings.flink_rest_token)
    with pytest.raises(FlinkRejected, match="its certificate is not trusted; name the CA"):
        FlinkClient(settings.flink_rest_url, access=access).overview()
