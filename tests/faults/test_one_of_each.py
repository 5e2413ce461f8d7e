"""One fault of each group, a quick one, on the stack that the other tests use; `make faults` runs them all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.stack import Stack
from orchestration.cli.dagster_api import DagsterApi
from orchestration.settings import Settings
from tests.faults.catalogue import ALL, FAST
from tests.faults.fault import Fault
from tests.faults.links import Links
from tests.faults.outcome import Verdict
from tests.faults.site import Site
from tests.faults.trial import Patience, Trial

RATE_PER_S = 2_000.0
PATIENCE = Patience(warm_up_s=3.0, recovery_s=120.0, settle_s=120.0)


@pytest.fixture(scope="session")
def site(stack: Stack, settings: Settings, api: DagsterApi, links: Links) -> Iterator[Site]:
    """The running stack with its pipeline, and no producers but ours, which come through a proxy."""
    servers = links.environment()["PI3_PRODUCER_KAFKA_BOOTSTRAP_SERVERS"]
    found = Site(stack, settings, RATE_PER_S, servers)
    found.proxies = {"producer-kafka": links.by_name["producer-kafka"]}
    assert found.api.url == api.url
    found.run("start_pipeline")
    yield found
    found.end_load()


@pytest.mark.parametrize("fault", [fault for fault in ALL if fault.name in FAST], ids=str)
def test_nothing_is_lost_and_the_pipeline_recovers(site: Site, fault: Fault, tmp_path: Path) -> None:
    outcome = Trial(site, fault, tmp_path / "trial", print, PATIENCE, timed=False).run()
    assert (outcome.verdict, outcome.notes) == (Verdict.GREEN, [])
