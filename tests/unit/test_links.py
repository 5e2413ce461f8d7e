"""The proxies before a stack's servers: every client is led through its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.ports import Ports
from infra.local.stack import StackSpec
from orchestration.settings import Settings
from tests.faults.link_faults import FAULTS, LinkFault
from tests.faults.links import Links

PORTS = Ports(40_001, 40_002, 40_003, 40_004, 40_005, 40_006, 40_007)
PAIRS = {
    "flink-kafka",
    "flink-postgres",
    "producer-kafka",
    "dagster-kafka",
    "dagster-postgres",
    "dagster-flink",
    "taskmanager-jobmanager",
}


@pytest.fixture
def links() -> Iterator[Links]:
    """Proxies before servers that are down."""
    found = Links(PORTS)
    yield found
    found.close()


def test_every_pair_has_each_fault(links: Links) -> None:
    assert set(links.by_name) == PAIRS
    struck = {(fault.pair, fault.kind.name) for fault in FAULTS if isinstance(fault, LinkFault)}
    assert struck == {(pair, kind) for pair in PAIRS for kind in ("cut", "slow", "dead")}
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) == len(struck)


def test_every_client_is_told_of_its_proxy(links: Links, tmp_path: Path) -> None:
    spec = links.applied_to(StackSpec(tmp_path, "db", {}, {"PATH": "/bin"}))
    settings = Settings.model_validate(
        {name.removeprefix("PI3_").lower(): value for name, value in spec.environment.items() if name != "PATH"}
    )
    ports = {name: [proxy.port for proxy in link.proxies] for name, link in links.by_name.items()}
    assert spec.environment["PATH"] == "/bin"
    assert settings.kafka_bootstrap_servers.endswith(f":{ports['dagster-kafka'][0]}")
    assert (settings.flink_kafka_bootstrap_servers or "").endswith(f":{ports['flink-kafka'][0]}")
    assert (settings.producer_kafka_bootstrap_servers or "").endswith(f":{ports['producer-kafka'][0]}")
    assert (settings.postgres_port, settings.flink_postgres_port) == (
        ports["dagster-postgres"][0],
        ports["flink-postgres"][0],
    )
    assert settings.flink_rest_url.endswith(f":{ports['dagster-flink'][0]}")
    assert {name: [listener.advertised_port] for name, listener in spec.kafka_listeners.items()} == {
        client.upper(): ports[f"{client}-kafka"] for client in ("flink", "producer", "dagster")
    }
    assert [spec.flink_rpc[name].advertised_port for name in ("jobmanager", "taskmanager")] == ports[
        "taskmanager-jobmanager"
    ]
    assert spec.flink_rpc["jobmanager"].port == PORTS.flink_rpc
    bound = {listener.port for listener in (*spec.kafka_listeners.values(), *spec.flink_rpc.values())}
    assert len(bound) == 5
    assert not bound & {port for found in ports.values() for port in found}
