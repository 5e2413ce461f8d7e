"""Prometheus' side of a real stack: every query of the dashboard names what an endpoint tells."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import pytest
import requests
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from infra.local import metrics
from infra.local.ports import LOOPBACK
from infra.local.stack import Stack
from orchestration.cli.counts import read_counts
from orchestration.cli.dagster_api import DagsterApi
from orchestration.settings import REPOSITORY, Settings
from tests.acceptance.pipeline import launch, settle, wait_until
from tests.fixtures.records import send

DASHBOARD = REPOSITORY / "infra" / "metrics" / "dashboard.json"
SELECTOR = re.compile(r"\b((?:pi3|flink|kafka|jvm|process)_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)="([^"]*)"')
# Prometheus adds it to whatever it scrapes.
ADDED = "job"


@dataclass(frozen=True)
class Query:
    """One of the dashboard's: what it selects, and the labels that it goes on to use."""

    panel: str
    name: str
    matchers: tuple[tuple[str, str], ...]
    labels: frozenset[str]


def queries() -> Iterator[Query]:
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            used = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
            used += re.findall(r"by \((\w+)\)", target["expr"])
            for name, matchers in SELECTOR.findall(target["expr"]):
                yield Query(panel["title"], name, tuple(MATCHER.findall(matchers)), frozenset(used) - {ADDED})


@pytest.fixture(scope="module")
def targets(stack: Stack, api: DagsterApi, settings: Settings) -> dict[str, str]:
    """The endpoints as Prometheus is told of them, by job, of a pipeline that has landed events."""
    launch(api, "start_pipeline")
    settle(settings)
    config = yaml.safe_load(metrics.scrape_file(stack.paths).read_text())
    return {job["job_name"]: job["static_configs"][0]["targets"][0] for job in config["scrape_configs"]}


def scrape(target: str) -> list[Metric]:
    answer = requests.get(f"http://{target}/metrics", timeout=10)
    answer.raise_for_status()
    return list(text_string_to_metric_families(answer.text))


def value(target: str, name: str, **labels: str) -> float:
    """The sum of the metric's samples that have these labels."""
    samples = [sample for family in scrape(target) for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def test_every_query_of_the_dashboard_is_answered(targets: dict[str, str]) -> None:
    samples = [sample for target in targets.values() for family in scrape(target) for sample in family.samples]
    found = list(queries())
    assert len(found) > 25
    unanswered = [
        query
        for query in found
        if not any(
            query.name == sample.name
            and set(query.matchers) <= set(sample.labels.items())
            and query.labels <= sample.labels.keys()
            for sample in samples
        )
    ]
    # Of this one there are figures for as long as rows land.
    assert [query for query in unanswered if query.name != "pi3_latency_seconds"] == []


def test_latency_is_told_of_the_rows_that_land(targets: dict[str, str], settings: Settings) -> None:
    told: list[float] = []

    def lands() -> bool:
        send(settings, [f'{{"event_id":"metrics-{time.time_ns()}","user_name":"n","location":"l"}}'.encode()])
        told[:] = [value(targets["pi3"], "pi3_latency_seconds", quantile=quantile) for quantile in ("0.5", "0.99")]
        return all(told)

    wait_until(lands, "a beat has seen rows land", 30)
    assert 0 < told[0] <= told[1] < 60
    settle(settings)


def test_the_figures_are_those_of_the_tables(targets: dict[str, str], settings: Settings) -> None:
    counts = read_counts(settings).total

    def agrees() -> bool:
        fates = {fate: value(targets["pi3"], "pi3_ledger_offsets", fate=fate) for fate in ("landed", "dead", "lost")}
        return fates == {"landed": counts.landed, "dead": counts.rejected, "lost": 0}

    wait_until(agrees, "the exporter tells what the ledger has", 30)
    assert value(targets["pi3"], "pi3_up") == 1
    assert value(targets["pi3"], "pi3_dead_letters") == counts.rejected
    assert value(targets["kafka"], "kafka_log_log_logendoffset", topic=settings.kafka_topic) == counts.produced
    assert value(targets["flink-jobmanager"], "flink_jobmanager_numRunningJobs") >= 1


def test_the_endpoints_listen_on_loopback_alone(targets: dict[str, str], stack: Stack) -> None:
    ports = {int(target.partition(":")[2]) for target in targets.values()}
    pids = [state.pid for state in stack.states()]
    listening = [
        connection.laddr
        for pid in pids
        for connection in psutil.Process(pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port in ports
    ]
    assert {address.port for address in listening} == ports
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {LOOPBACK}
