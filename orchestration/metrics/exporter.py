"""The endpoint: each scrape is a question to Dagster, and between two nothing happens."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, start_http_server
from prometheus_client.registry import Collector

from orchestration.cli.dagster_api import DagsterApi
from orchestration.errors import Pi3Error
from orchestration.metrics.families import families
from orchestration.metrics.reading import Standing, read_standing

# Prometheus gives up on a scrape after 10 s.
TIMEOUT_S = 5.0


class StreamCollector(Collector):
    """The stream's metrics, as Dagster knows them at the moment of the scrape."""

    def __init__(self, url: str) -> None:
        self._api = DagsterApi(url, TIMEOUT_S)
        self._checks: list[tuple[str, str]] = []

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry that asked for the metrics at the start would ask Dagster."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Ask Dagster; one that gives no answer is a metric too."""
        return families(self._standing())

    def _standing(self) -> Standing | None:
        try:
            # Definitions change with a restart of the stack, and this process with it.
            self._checks = self._checks or self._api.checks()
            return read_standing(self._api, self._checks)
        except Pi3Error:
            return None


def serve(dagster_url: str, host: str, port: int) -> tuple[WSGIServer, Thread]:
    """Answer scrapes in a thread; returns the server and its thread."""
    registry = CollectorRegistry()
    registry.register(StreamCollector(dagster_url))
    ProcessCollector(registry=registry)
    return start_http_server(port, host, registry)
