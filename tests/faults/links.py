"""The links between the servers of a stack, each through a proxy that can cut, stall or slow it."""

from __future__ import annotations

from dataclasses import replace

from infra.local.ports import LOOPBACK, Listener, Ports, any_free_port
from infra.local.stack import StackSpec
from tests.faults.proxy import Link, TcpProxy

__all__ = ["Links"]


class Links:
    """Proxies before the servers that listen on these ports; `by_name` has them by `client-server`.

    They must be there before the stack is started, which tells its clients of them, and be closed after its end.
    """

    def __init__(self, ports: Ports) -> None:
        # A Kafka client goes on with the address that the broker tells it, so each kind of client has a listener.
        self._kafka = {name: any_free_port() for name in ("flink", "producer", "dagster")}
        self._rpc = {"jobmanager": ports.flink_rpc, "taskmanager": any_free_port()}
        targets = {
            **{f"{client}-kafka": (port,) for client, port in self._kafka.items()},
            "flink-postgres": (ports.postgres,),
            "dagster-postgres": (ports.postgres,),
            "dagster-flink": (ports.flink_rest,),
            "taskmanager-jobmanager": tuple(self._rpc.values()),
        }
        self.by_name = {name: Link(*(TcpProxy(LOOPBACK, port) for port in found)) for name, found in targets.items()}

    def environment(self) -> dict[str, str]:
        """The settings by which Dagster, Flink's job and the producers meet the proxies instead of the servers."""
        return {
            "PI3_KAFKA_BOOTSTRAP_SERVERS": self._address("dagster-kafka"),
            "PI3_FLINK_KAFKA_BOOTSTRAP_SERVERS": self._address("flink-kafka"),
            "PI3_PRODUCER_KAFKA_BOOTSTRAP_SERVERS": self._address("producer-kafka"),
            "PI3_POSTGRES_PORT": str(self._port("dagster-postgres")),
            "PI3_FLINK_POSTGRES_PORT": str(self._port("flink-postgres")),
            "PI3_FLINK_REST_URL": f"http://{self._address('dagster-flink')}",
        }

    def applied_to(self, spec: StackSpec) -> StackSpec:
        """The same stack, with every client behind a proxy."""
        rpc = zip(self._rpc.items(), self.by_name["taskmanager-jobmanager"].proxies, strict=True)
        return replace(
            spec,
            environment={**spec.environment, **self.environment()},
            kafka_listeners={
                client.upper(): Listener(port, self._port(f"{client}-kafka")) for client, port in self._kafka.items()
            },
            flink_rpc={process: Listener(port, proxy.port) for (process, port), proxy in rpc},
        )

    def close(self) -> None:
        """End every proxy; may be repeated."""
        for link in self.by_name.values():
            link.close()

    def _port(self, name: str) -> int:
        return self.by_name[name].proxies[0].port

    def _address(self, name: str) -> str:
        return f"{LOOPBACK}:{self._port(name)}"
