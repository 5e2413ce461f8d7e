"""Where a Kafka cluster is, and how its clients are let in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from orchestration.client_options import with_password

if TYPE_CHECKING:
    from orchestration.settings import Settings

__all__ = ["Brokers"]


@dataclass(frozen=True)
class Brokers:
    """A cluster, and one principal's way into it: `options` are librdkafka's, whose values show in no repr."""

    bootstrap_servers: str
    options: Mapping[str, SecretStr] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> Brokers:
        """As Dagster meets them."""
        return cls(settings.kafka_bootstrap_servers, with_password(settings.kafka_options, settings.kafka_password))

    @classmethod
    def of_producers(cls, settings: Settings) -> Brokers:
        """As whoever publishes meets them."""
        options = {**cls.of(settings).options, **settings.producer_kafka_options}
        address = settings.producer_kafka_bootstrap_servers or settings.kafka_bootstrap_servers
        return cls(address, with_password(options, settings.producer_kafka_password))

    @classmethod
    def of_flink(cls, settings: Settings) -> Brokers:
        """As the job meets them, for trying its login from here; only where its options have librdkafka's names."""
        options = {**cls.of(settings).options, **settings.flink_kafka_options}
        address = settings.flink_kafka_bootstrap_servers or settings.kafka_bootstrap_servers
        return cls(address, with_password(options, settings.flink_kafka_password))

    def config(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """A client's configuration, secrets and all; the options win over the defaults."""
        # librdkafka would also write each refused connection to stderr; the same news comes as an exception.
        return {"log_level": 0, **defaults, **self.plain(), "bootstrap.servers": self.bootstrap_servers}

    def plain(self) -> dict[str, str]:
        """The options as they are, secrets and all."""
        return {name: value.get_secret_value() for name, value in self.options.items()}
