"""A job that writes one row into the state's folder: whether the cluster takes jobs from here, and may write there."""

from __future__ import annotations

from typing import Final

from flink_jobs.builder import RUN_KEYS, JobPlan, configuration, literal, template
from flink_jobs.spec import JobSpec

__all__ = ["FOLDER", "probe", "probe_folder"]

FOLDER: Final = "preflight"


def probe_folder(state_uri: str, job_id: str) -> str:
    """Where the probe of this id writes, as a URI."""
    return f"{state_uri.rstrip('/')}/{FOLDER}/{job_id}"


def probe(spec: JobSpec) -> JobPlan:
    """The probe on the cluster of the spec, by the spec's id, and in a name of its own."""
    run = {key: value for key, value in configuration(spec).items() if key.startswith(RUN_KEYS)}
    settings = {
        **run,
        "execution.runtime-mode": "BATCH",
        "parallelism.default": "1",
        "pipeline.name": f"{FOLDER}.{spec.job_name}",
        "table.local-time-zone": "UTC",
    }
    folder = literal(probe_folder(spec.state_uri, spec.job_id or spec.job_name))
    return JobPlan(settings, (template("probe").substitute(path=folder),), template("probe_insert").template)
