"""Options of the Kafka and Postgres clients, by librdkafka's and libpq's names: checked as the settings are read.

Any of them may hold a secret, so each value is taken for one: it shows in no repr, log, metadata or argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BeforeValidator, SecretStr

from flink_jobs.client_options import PASSWORD, OptionError, jdbc_options, kafka_options
from orchestration.errors import ConfigurationError

if TYPE_CHECKING:
    from orchestration.settings import Settings

# What the guarantees rest on, or what has a setting of its own.
KAFKA_RESERVED: Final = frozenset({
    "acks", "allow.auto.create.topics", "auto.offset.reset", "bootstrap.servers", "enable.auto.commit",
    "enable.auto.offset.store", "enable.idempotence", "enable.partition.eof", "group.id", "isolation.level",
    "metadata.broker.list", "partitioner", "request.required.acks", "transactional.id",
})  # fmt: skip
FLINK_RESERVED: Final = frozenset({"commit.offsets.on.checkpoint", "max.poll.records"})
POSTGRES_RESERVED: Final = frozenset(
    {"application_name", "connect_timeout", "dbname", "host", "options", "password", "port", "user"}
)
POSTGRES_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
SYSTEM: Final = "system"  # libpq's word for the operating system's certificates


def _as_text(given: Any) -> Any:  # noqa: ANN401 - as the environment gives it
    """JSON has numbers and booleans, the clients take texts."""
    if not isinstance(given, dict):
        return given
    return {name: str(value).lower() if isinstance(value, bool | int) else value for name, value in given.items()}


ClientOptions = Annotated[dict[str, SecretStr], BeforeValidator(_as_text)]
Options = Mapping[str, SecretStr]


def with_password(options: Options, password: SecretStr) -> dict[str, SecretStr]:
    """The options with a SASL password, if there is one."""
    return {**options, PASSWORD: password} if password.get_secret_value() else dict(options)


def plain(options: Options) -> dict[str, str]:
    """The options as a client takes them, secrets and all."""
    return {name: value.get_secret_value() for name, value in options.items()}


def flink_options(settings: Settings) -> dict[str, dict[str, str]]:
    """What Flink's job needs to be let in, by `kafka` and `postgres`, as the Java clients name it.

    Raises:
        ConfigurationError: an option has no counterpart there.
    """
    shared = with_password(settings.kafka_options, settings.kafka_password)
    own = with_password(settings.flink_kafka_options, settings.flink_kafka_password)
    try:
        return {
            "kafka": kafka_options(plain(shared), plain(own)),
            "postgres": jdbc_options(plain(settings.postgres_options), plain(settings.flink_postgres_options)),
        }
    except OptionError as error:
        raise ConfigurationError(f"these options cannot be handed to Flink's job: {error}") from error


def check(settings: Settings) -> None:
    """Let each client judge its options, without a connection.

    Raises:
        ConfigurationError: an option is unknown, malformed, set by the pipeline itself, or names no file.
    """
    from orchestration.resources.brokers import Brokers

    if settings.kafka_options:
        _check_kafka("PI3_KAFKA_OPTIONS", settings.kafka_options, Brokers.of(settings).plain())
    if settings.producer_kafka_options:
        effective = Brokers.of_producers(settings).plain()
        _check_kafka("PI3_PRODUCER_KAFKA_OPTIONS", settings.producer_kafka_options, effective)
    if settings.postgres_options:
        _check_postgres("PI3_POSTGRES_OPTIONS", plain(settings.postgres_options))
    _refuse("PI3_FLINK_KAFKA_OPTIONS", settings.flink_kafka_options, KAFKA_RESERVED | FLINK_RESERVED)
    _refuse("PI3_FLINK_POSTGRES_OPTIONS", settings.flink_postgres_options, POSTGRES_RESERVED)
    flink_options(settings)


def _check_kafka(setting: str, given: Options, effective: Mapping[str, str]) -> None:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    _refuse(setting, given, KAFKA_RESERVED)
    _check_files(setting, {name: value for name, value in effective.items() if name.endswith(".location")})
    try:
        AdminClient({"log_level": 0, **effective})
    except KafkaException as error:
        raise ConfigurationError(f"setting {setting}: {without_values(effective, error.args[0].str())}") from error


def _check_postgres(setting: str, given: Mapping[str, str]) -> None:
    import psycopg2
    from psycopg2.extensions import make_dsn

    _refuse(setting, given, POSTGRES_RESERVED)
    _check_files(setting, {name: given[name] for name in POSTGRES_FILES if name in given})
    try:
        make_dsn(**given)
    except psycopg2.ProgrammingError as error:
        raise ConfigurationError(f"setting {setting}: {without_values(given, str(error).strip())}") from error


def _refuse(setting: str, given: Mapping[str, Any], reserved: frozenset[str]) -> None:
    if found := sorted(given.keys() & reserved):
        raise ConfigurationError(
            f"setting {setting}: {', '.join(found)} cannot be set here: the pipeline sets it itself, or has a setting "
            "of its own for it; leave it out"
        )


def _check_files(setting: str, files: Mapping[str, str]) -> None:
    for name, path in files.items():
        if path != SYSTEM and not Path(path).exists():
            raise ConfigurationError(f"setting {setting}: {name} names {path}, which does not exist on this machine")


def without_values(options: Mapping[str, str], words: str) -> str:
    """A client's complaint without the values of options that it quotes."""
    for value in sorted(filter(None, options.values()), key=len, reverse=True):
        words = words.replace(f'"{value}"', "(its value)")
    return words
