"""The same assets, jobs and checks on clusters that are reached over TLS alone, by principals that may do little."""

from __future__ import annotations

import pytest
import requests

from infra.local.supervisor import orphans
from orchestration.cli.counts import read_counts
from orchestration.defs.resources import resources
from orchestration.flink.client import FlinkClient
from tests.fixtures.remote import Launched, run
from tests.remote.authority import HOST
from tests.remote.site import EVENTS, TASKMANAGERS


@pytest.fixture
def flink(launched: Launched) -> FlinkClient:
    """The cluster, through the gateway."""
    found: FlinkClient = resources(launched.site.settings)["flink"].client
    return found


def test_preflight_finds_before_the_launch_that_the_table_is_missing_and_nothing_else(launched: Launched) -> None:
    states = {finding["what"]: finding["state"] for finding in launched.preflight}
    assert [what for what, state in states.items() if state != "ok"] == ["table events"]
    assert {"state folder", "flink jars", "kafka rights, flink", "postgres encryption", "clock, postgres"} <= set(
        states
    )


def test_every_job_succeeds_and_every_check_passes(launched: Launched) -> None:
    assert [job["job"] for job in launched.jobs] == ["start_pipeline", "ledger_pass", "health_check", "deep_audit"]
    assert all(job["success"] for job in launched.jobs), launched.output[-5_000:]
    assert {job["job"]: job["failed"] for job in launched.jobs if job["job"] != "start_pipeline"} == {
        "ledger_pass": {},
        "health_check": {},
        "deep_audit": {},
    }


def test_every_record_is_accounted_for(launched: Launched) -> None:
    counts = read_counts(launched.site.settings)
    acknowledged = resources(launched.site.settings)["producer"].acknowledged()
    assert sum(acknowledged.values()) == sum(counts.ends.values()) > EVENTS
    told = run(launched.site, "orchestration.pi3", "ledger")
    assert told.returncode == 0, told.stdout + told.stderr


def test_the_job_runs_on_both_taskmanagers(launched: Launched, flink: FlinkClient) -> None:
    (job,) = flink.active_jobs(launched.site.settings.flink_job_name)
    assert (job.healthy, job.tasks_total) == (True, launched.site.settings.flink_parallelism)
    seen = flink.overview()
    assert seen.task_managers == TASKMANAGERS
    assert seen.slots_total - seen.slots_available == job.tasks_total > seen.slots_total // TASKMANAGERS


def test_no_secret_shows(launched: Launched, flink: FlinkClient) -> None:
    """In arguments, logs, files that others may read, what Flink's UI shows, and what Dagster says."""
    site = launched.site
    (job,) = flink.active_jobs(site.settings.flink_job_name)
    pages = [f"/jobs/{job.id}", f"/jobs/{job.id}/config", f"/jobs/{job.id}/plan", f"/jobs/{job.id}/vertices",
             "/jobmanager/config", "/jobmanager/environment"]  # fmt: skip
    shown = [_page(flink, page) for page in pages]
    assert "Source" in shown[0]
    shown += ["\0".join(process.cmdline()) for process in orphans(site.paths.root)]
    folders = (site.paths.log, site.paths.run)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    shown += [path.read_text(errors="replace") for path in files if path.stat().st_mode & 0o077]
    shown.append(launched.output)
    secrets = [*site.passwords.values(), site.token, site.settings.postgres_writer_password.get_secret_value()]
    assert [text[:200] for text in shown if any(secret in text for secret in secrets)] == []


def _page(flink: FlinkClient, path: str) -> str:
    """As the browser of whoever has the token gets it."""
    answer = requests.get(flink.rest_url + path, auth=flink.access, verify=str(flink.access.ca_file), timeout=10)
    return answer.text


def test_preflight_names_each_thing_that_is_wrong(launched: Launched) -> None:
    wrong = {
        "PI3_PRODUCER_KAFKA_PASSWORD": "not-the-password",
        "PI3_KAFKA_CONSUMER_GROUP": "group-of-others",
        "PI3_KAFKA_PARTITIONS": "7",
        "PI3_POSTGRES_HOST": "127.0.0.1",  # its certificate is for another name
        "PI3_FLINK_REST_TOKEN": "not-the-token",
    }
    told = run(launched.site, "orchestration.pi3", "preflight", "--no-probe", **wrong)
    assert told.returncode == 1
    lines = [line for line in told.stdout.splitlines() if line.startswith("ERROR")]
    expected = [
        ("kafka rights, dagster", "lacks DESCRIBE on group group-of-others", "allow dagster DESCRIBE"),
        ("kafka login, producer", "authentication", "PI3_…KAFKA_PASSWORD"),
        ("kafka rights, flink", "lacks READ on group group-of-others", "allow flink READ"),
        ("topic", "partitions is 4, wanted 7", "PI3_KAFKA_PARTITIONS"),
        ("postgres", f'certificate for "{HOST}"', "PI3_POSTGRES_OPTIONS"),
        ("flink", "401", "is the token right?"),
        ("clocks", "certificate", "PI3_POSTGRES_OPTIONS"),
    ]
    assert len(lines) == len(expected), told.stdout
    for line, words in zip(lines, expected, strict=True):
        assert all(word.lower() in line.lower() for word in words), (line, words)
    assert not any(secret in told.stdout + told.stderr for secret in ("not-the-password", "not-the-token"))
