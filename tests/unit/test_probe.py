"""The probe of a preflight: a job that writes one row, and what it shares with the real one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flink_jobs.probe import probe, probe_folder
from orchestration.pi3.probing import unix_s
from tests.unit.test_job_spec import SPEC


def test_the_probe_is_sent_as_the_job_and_does_nothing_of_it() -> None:
    spec = replace(SPEC, rest_address="h", rest_port=1, rest_tls=True, rest_path="/g", job_id="0" * 32)
    plan = probe(spec)
    expected = {
        "execution.target": "remote",
        "rest.path": "/g",
        "security.ssl.rest.enabled": "true",
        "$internal.pipeline.job-id": "0" * 32,
        "execution.runtime-mode": "BATCH",
        "parallelism.default": "1",
        "pipeline.name": f"preflight.{SPEC.job_name}",
    }
    assert expected.items() <= plan.configuration.items()
    assert not [key for key in plan.configuration if key.startswith(("execution.checkpointing", "state."))]
    (statement,) = plan.statements
    assert f"'path' = '{probe_folder(SPEC.state_uri, '0' * 32)}'" in statement
    assert plan.insert.startswith("INSERT INTO probe")


@pytest.mark.parametrize(
    ("stamp", "seconds"),
    [
        ("2026-01-02 03:04:05.678", 1767323045.678),
        ("2026-01-02 03:04:05.6", 1767323045.6),
        ("2026-01-02 03:04:05", 1767323045.0),
    ],
)
def test_the_taskmanagers_stamp(stamp: str, seconds: float) -> None:
    assert unix_s(stamp) == pytest.approx(seconds, abs=1e-6)
