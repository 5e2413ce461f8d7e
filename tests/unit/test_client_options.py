"""How options of the clients are checked, hidden, and said to Java's clients."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr

from flink_jobs.client_options import SCRAM, OptionError, jdbc_options, kafka_options
from orchestration.client_options import KAFKA_RESERVED, POSTGRES_RESERVED, flink_options
from orchestration.defs.resources import resources
from orchestration.errors import ConfigurationError
from orchestration.resources.brokers import Brokers
from orchestration.resources.kafka_rights import unusable
from orchestration.settings import REPOSITORY, Settings, read_settings

SECRET = "hunter2-hunter2"  # noqa: S105
LOGIN = {
    "security.protocol": "sasl_ssl",
    "sasl.mechanisms": "scram-sha-512",
    "sasl.username": "dagster",
    "ssl.ca.location": "/ca.pem",
}
PEM_CA = {"ssl.truststore.type": "PEM", "ssl.truststore.location": "/ca.pem"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests must not count."""
    for name in [name for name in os.environ if name.upper().startswith("PI3_")]:
        monkeypatch.delenv(name)


def jaas(user: str, password: str) -> str:
    """A login as Flink's connector reads it."""
    return f'{SCRAM} required username="{user}" password="{password}";'


@pytest.mark.parametrize(
    ("shared", "own", "expected"),
    [
        ({}, {}, {}),
        # Of what is shared, security alone; of what is Flink's own, everything.
        ({"socket.timeout.ms": "1", "debug": "all"}, {"client.rack": "a"}, {"client.rack": "a"}),
        ({"security.protocol": "ssl"}, {}, {"security.protocol": "SSL"}),
        (
            {**LOGIN, "sasl.password": "p"},
            {},
            {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.jaas.config": jaas("dagster", "p"),
                **PEM_CA,
            },
        ),
        (
            {**LOGIN, "sasl.password": "p"},
            {"sasl.username": "flink", "sasl.password": 'a"b\\c', "ssl.ca.location": "/etc/other.pem"},
            {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.jaas.config": jaas("flink", 'a\\"b\\\\c'),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": "/etc/other.pem",
            },
        ),
        # Java's own names win over what would be made of the shared ones.
        (
            {**LOGIN, "sasl.password": "p"},
            {"sasl.jaas.config": "x", "ssl.truststore.type": "JKS", "ssl.truststore.location": "/t.jks"},
            {
                "security.protocol": "SASL_SSL",
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.jaas.config": "x",
                "ssl.truststore.type": "JKS",
                "ssl.truststore.location": "/t.jks",
            },
        ),
        (
            {"ssl.certificate.location": "/me.pem", "ssl.key.location": "/me.pem", "ssl.key.password": "k"},
            {},
            {"ssl.keystore.type": "PEM", "ssl.keystore.location": "/me.pem", "ssl.key.password": "k"},
        ),
        (
            {"ssl.ca.pem": "CA", "ssl.certificate.pem": "CERT", "ssl.key.pem": "KEY"},
            {},
            {
                "ssl.truststore.type": "PEM",
                "ssl.truststore.certificates": "CA",
                "ssl.keystore.type": "PEM",
                "ssl.keystore.certificate.chain": "CERT",
                "ssl.keystore.key": "KEY",
            },
        ),
        (
            {"ssl.keystore.location": "/me.p12", "ssl.keystore.password": "k"},
            {},
            {"ssl.keystore.type": "PKCS12", "ssl.keystore.location": "/me.p12", "ssl.keystore.password": "k"},
        ),
        ({"ssl.endpoint.identification.algorithm": "none"}, {}, {"ssl.endpoint.identification.algorithm": ""}),
        ({"ssl.crl.location": "/crl.pem"}, {"ssl.crl.location": ""}, {}),
        ({"enable.ssl.certificate.verification": "true"}, {}, {}),
    ],
)
def test_librdkafkas_names_for_javas_client(
    shared: dict[str, str], own: dict[str, str], expected: dict[str, str]
) -> None:
    assert kafka_options(shared, own) == expected


@pytest.mark.parametrize(
    ("shared", "own", "words"),
    [
        ({"ssl.crl.location": SECRET}, {}, "ssl.crl.location cannot be said"),
        ({"enable.ssl.certificate.verification": "false"}, {}, "ssl.ca.location"),
        ({"ssl.certificate.location": "/c.pem", "ssl.key.location": "/k.pem"}, {}, "one PEM file"),
        ({"ssl.key.location": SECRET}, {}, "one PEM file"),
        ({"sasl.username": "u", "sasl.password": SECRET, "sasl.mechanism": "GSSAPI"}, {}, "sasl.mechanism should be"),
        ({"sasl.username": "u", "sasl.password": SECRET}, {}, "sasl.mechanism should be"),
    ],
)
def test_what_javas_client_cannot_be_told(shared: dict[str, str], own: dict[str, str], words: str) -> None:
    with pytest.raises(OptionError, match=words) as caught:
        kafka_options(shared, own)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("shared", "own", "expected"),
    [
        ({}, {}, {}),
        (
            {"sslmode": "verify-full", "sslrootcert": "/ca.pem", "keepalives": "1"},
            {},
            {"sslmode": "verify-full", "sslrootcert": "/ca.pem"},
        ),
        (
            {"sslmode": "verify-full", "sslrootcert": "/ca.pem"},
            {"sslrootcert": "/etc/ca.pem", "prepareThreshold": "0"},
            {"sslmode": "verify-full", "sslrootcert": "/etc/ca.pem", "prepareThreshold": "0"},
        ),
        (
            {"sslmode": "verify-full", "sslrootcert": "system"},
            {},
            {"sslmode": "verify-full", "sslfactory": "org.postgresql.ssl.DefaultJavaSSLFactory"},
        ),
        ({"target_session_attrs": "read-write"}, {}, {"targetServerType": "primary"}),
        ({"channel_binding": "require"}, {}, {"channelBinding": "require"}),
        ({"sslcrl": "/crl"}, {"sslcrl": ""}, {}),
    ],
)
def test_libpqs_names_for_the_jdbc_driver(
    shared: dict[str, str], own: dict[str, str], expected: dict[str, str]
) -> None:
    assert jdbc_options(shared, own) == expected


@pytest.mark.parametrize(
    ("shared", "own", "words"),
    [
        ({"sslcrl": "/crl"}, {}, "sslcrl cannot be said"),
        ({"sslpassword": SECRET}, {}, "sslpassword cannot be said"),
        ({}, {"sslpassword": SECRET}, "key without a password"),
        ({"target_session_attrs": SECRET}, {}, "target_session_attrs should be one of"),
    ],
)
def test_what_the_jdbc_driver_cannot_be_told(shared: dict[str, str], own: dict[str, str], words: str) -> None:
    with pytest.raises(OptionError, match=words) as caught:
        jdbc_options(shared, own)
    assert SECRET not in str(caught.value)


def read(tmp_path: Path, **values: object) -> Settings:
    """Settings by a file `.env`."""
    lines = (f"PI3_{name.upper()}='{value if isinstance(value, str) else json.dumps(value)}'\n"
             for name, value in values.items())  # fmt: skip
    (tmp_path / ".env").write_text("".join(lines))
    return read_settings(tmp_path / "stack", tmp_path / ".env")


def test_options_of_one_principal_are_laid_over_the_shared_ones(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    found = read(
        tmp_path,
        kafka_options={"sasl.username": "dagster", "socket.timeout.ms": 3000, "socket.keepalive.enable": True},
        kafka_password="d",  # noqa: S106
        flink_kafka_options={"sasl.mechanism": "PLAIN"},
        producer_kafka_options={"sasl.username": "producer"},
        producer_kafka_password="p",  # noqa: S106
        producer_kafka_bootstrap_servers="far:1",
    )
    shared = {"socket.timeout.ms": "3000", "socket.keepalive.enable": "true"}
    assert Brokers.of(found).plain() == {**shared, "sasl.username": "dagster", "sasl.password": "d"}
    publishing = Brokers.of_producers(found)
    assert publishing.plain() == {**shared, "sasl.username": "producer", "sasl.password": "p"}
    assert publishing.config({"group.id": "g", "socket.timeout.ms": 1}) == {
        **publishing.plain(), "group.id": "g", "log_level": 0, "bootstrap.servers": "far:1",
    }  # fmt: skip


def test_flink_has_the_shared_login_unless_it_has_its_own(tmp_path: Path) -> None:
    login = {"sasl.username": "dagster", "sasl.mechanism": "SCRAM-SHA-512"}
    both = {"kafka_options": login, "kafka_password": "d"}
    assert flink_options(read(tmp_path, **both))["kafka"]["sasl.jaas.config"] == jaas("dagster", "d")
    own = {"flink_kafka_options": {"sasl.username": "flink"}, "flink_kafka_password": "f"}
    assert flink_options(read(tmp_path, **both, **own))["kafka"]["sasl.jaas.config"] == jaas("flink", "f")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("kafka_options", SECRET, "^setting PI3_KAFKA_OPTIONS: should be a JSON object"),
        ("kafka_options", [SECRET], "^setting PI3_KAFKA_OPTIONS: .*dictionary"),
        ("kafka_options", {"sasl.usernam": SECRET}, '^setting PI3_KAFKA_OPTIONS: .*"sasl.usernam"'),
        ("kafka_options", {"security.protocol": SECRET}, "^setting PI3_KAFKA_OPTIONS: .*its value.*security.protocol"),
        ("kafka_options", {"ssl.ca.location": "/nowhere.pem"}, "ssl.ca.location names /nowhere.pem, which does not"),
        ("kafka_options", {"security.protocol": "sasl_ssl", "sasl.mechanism": "PLAIN"}, "sasl.password must be set"),
        ("kafka_options", {"ssl.crl.location": "/dev/null"}, "handed to Flink's job: ssl.crl.location"),
        ("producer_kafka_options", {"lingr.ms": "1"}, '^setting PI3_PRODUCER_KAFKA_OPTIONS: .*"lingr.ms"'),
        ("flink_kafka_options", {"group.id": "x"}, "^setting PI3_FLINK_KAFKA_OPTIONS: group.id cannot be set here"),
        ("postgres_options", {"sslmod": SECRET}, '^setting PI3_POSTGRES_OPTIONS: .*"sslmod"'),
        ("postgres_options", {"sslrootcert": "/nowhere.pem"}, "sslrootcert names /nowhere.pem, which does not exist"),
        ("flink_postgres_options", {"user": "x"}, "^setting PI3_FLINK_POSTGRES_OPTIONS: user cannot be set here"),
        *(("kafka_options", {name: "1"}, f"{name} cannot be set here") for name in sorted(KAFKA_RESERVED)),
        *(("postgres_options", {name: "1"}, f"{name} cannot be set here") for name in sorted(POSTGRES_RESERVED)),
    ],
)
def test_a_wrong_option_is_told_when_the_settings_are_read(
    name: str, value: object, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        read(tmp_path, **{name: value})
    assert SECRET not in str(caught.value)


def test_a_login_of_another_client_cannot_be_tried() -> None:
    assert unusable(Brokers("127.0.0.1:1", {"socket.timeout.ms": SecretStr("1000")})) is None
    why = unusable(Brokers("127.0.0.1:1", {"sasl.jaas.config": SecretStr(SECRET)}))
    assert "JAAS" in (why or "")
    assert SECRET not in (unusable(Brokers("x", {"security.protocol": SecretStr(SECRET)})) or SECRET)


def test_no_value_of_an_option_shows(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        kafka_options={"ssl.key.password": SECRET},
        kafka_password=SECRET,
        producer_kafka_password=SECRET,
        flink_kafka_options={"sasl.username": SECRET, "sasl.mechanism": "PLAIN"},
        postgres_options={"passfile": SECRET},
        flink_rest_token=SECRET,
    )
    assert SECRET not in repr(settings)
    assert SECRET not in repr(resources(settings))
    assert SECRET not in repr(Brokers("x", {"sasl.password": SecretStr(SECRET)}))


def test_the_documented_example_is_read(tmp_path: Path) -> None:
    text = (REPOSITORY / "docs" / "remote.md").read_text()
    (example,) = (block for block in text.split("```") if "PI3_KAFKA_OPTIONS=" in block)
    (tmp_path / "ca.pem").write_text(trustme.CA().cert_pem.bytes().decode())
    (tmp_path / ".env").write_text(example.replace("/etc/pi3/ca.pem", str(tmp_path / "ca.pem")))
    found = read_settings(tmp_path / "stack", tmp_path / ".env")
    assert {way(found).plain()["sasl.username"] for way in (Brokers.of, Brokers.of_producers, Brokers.of_flink)} == {
        "pi3-dagster", "pi3-producer", "pi3-flink",
    }  # fmt: skip
    told = flink_options(found)
    assert told["kafka"]["sasl.jaas.config"] == jaas("pi3-flink", "<password of pi3-flink>")
    assert told["postgres"] == {"sslmode": "verify-full", "sslrootcert": str(tmp_path / "ca.pem")}
