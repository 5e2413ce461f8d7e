"""Launch or adopt with real launchers that are killed, a real orphan that is fenced, and a real upgrade."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from infra.local.stack import Stack
from orchestration import streaming_job
from orchestration.cli.counts import read_counts
from orchestration.cli.dagster_api import DagsterApi
from orchestration.defs.resources import resources
from orchestration.lifecycle import record
from orchestration.lifecycle.record import Version
from orchestration.lifecycle.upgrade import UpgradeRolledBack
from orchestration.resources.producer import ProducerSpec
from orchestration.settings import REPOSITORY, Settings, child_environment
from orchestration.streaming_job import StreamingJob, current_version
from tests.acceptance.pipeline import active, launch, settle, wait_until
from tests.acceptance.ui import switched_off

REFUSAL = "holds no writer lease"


@pytest.fixture(scope="module")
def stream(settings: Settings, api: DagsterApi) -> Iterator[StreamingJob]:
    """The stream, provisioned; it runs again at the end."""
    launch(api, "start_pipeline")
    found: StreamingJob = resources(settings)["stream"]
    # It would bring back what these tests kill.
    with switched_off(api, "self_heal_sensor"):
        yield found
    found.ensure_running()
    settle(settings)


def produce(settings: Settings, name: str, count: int) -> None:
    """Events of a seed of their own."""
    resources(settings)["producer"].ensure(ProducerSpec(id=name, rate_per_s=2_000, count=count, seed=len(name)))


def last_failures(stream: StreamingJob, job_id: str) -> str:
    """What the job died of lately."""
    return " ".join(exception.message for exception in stream.flink.client.exceptions(job_id))


@pytest.mark.parametrize(("step", "after_s"), [("taking", 0.0), ("submitting", 3.0), ("submitted", 0.0)])
def test_a_launcher_that_is_killed_leaves_one_job(
    stream: StreamingJob, settings: Settings, step: str, after_s: float
) -> None:
    stream.stop()
    launcher = subprocess.run(
        (sys.executable, "-m", "tests.acceptance.launcher", step, str(after_s)),
        cwd=REPOSITORY,
        env=child_environment(PI3_STACK_DIR=str(settings.stack_dir)),
        check=False,
    )
    assert launcher.returncode == -signal.SIGKILL
    ensured = stream.ensure_running()
    assert active(stream.flink.client, settings) == [ensured.job_id] == [stream.record().job_id]
    # What the killed one had handed to its submitting program is adopted; before that there was nothing to adopt.
    assert ensured.action == ("submitted" if step == "taking" else "adopted")


def test_an_orphan_is_fenced_and_evicted_and_nothing_is_lost(
    stream: StreamingJob, settings: Settings, stack: Stack
) -> None:
    """Self-heal sees the orphan as well, and may be faster than the launch here."""
    orphan = stream.ensure_running().job_id
    log = stack.paths.log / "postgres.log"
    refused_before = log.read_text(errors="replace").count(REFUSAL)
    produce(settings, "fenced", 20_000)
    record.take_lease(stream.postgres, stream.name, "0" * 32, current_version(settings), None)
    wait_until(lambda: log.read_text(errors="replace").count(REFUSAL) > refused_before, "the orphan is refused")
    rightful = stream.ensure_running().job_id
    assert rightful != orphan
    assert active(stream.flink.client, settings) == [rightful]
    settle(settings)
    assert read_counts(settings).total.lost == 0


def test_an_upgrade_is_verified_under_load(stream: StreamingJob, settings: Settings) -> None:
    before = stream.ensure_running().job_id
    produce(settings, "upgrading", 20_000)
    changed = replace(stream, settings=settings.model_copy(update={"sink_flush_rows": 512}))
    after = changed.ensure_running()
    assert after.job_id != before
    assert active(stream.flink.client, settings) == [after.job_id]
    kept = record.version(stream.postgres, stream.name, current_version(changed.settings).fingerprint)
    assert kept is not None
    assert kept.verified
    settle(settings)
    assert read_counts(settings).total.lost == 0


def test_a_version_that_drops_events_is_rolled_back_and_they_land(
    stream: StreamingJob, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream.ensure_running()
    good = current_version(settings)
    insert = good.definition.insert + "\nWHERE MOD(kafka_offset, 10) <> 0"
    bad = Version("b" * 64, replace(good.definition, insert=insert), good.parallelism)
    produce(settings, "dropping", 20_000)
    monkeypatch.setattr(streaming_job, "current_version", lambda *_: bad)
    with pytest.raises(UpgradeRolledBack, match="records that should have landed did not"):
        stream.ensure_running()
    monkeypatch.undo()
    assert stream.record().fingerprint == good.fingerprint
    settle(settings)
    # The dropped ones were LOST in the ledger's eyes until the old version had read them again.
    wait_until(lambda: read_counts(settings).total.lost == 0, "what was dropped has landed")
