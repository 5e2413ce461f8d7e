"""A `FlinkDeployment` as the operator tells of it, in the terms of Flink's REST API.

https://nightlies.apache.org/flink/flink-kubernetes-operator-docs-main/docs/custom-resource/reference/
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from orchestration.flink.types import ENDED, JobSummary, Json

# Annotations that a submission leaves.
FINGERPRINT: Final = "pi3/fingerprint"
WRITER_EPOCH: Final = "pi3/writer-epoch"
JOB_ID: Final = "$internal.pipeline.job-id"
# What the operator writes for a path when it will resume from the latest checkpoint that the cluster's HA data names.
LAST_STATE: Final = "KUBERNETES_OPERATOR_LAST_STATE"
# The JobManager's volume with the job's spec.
SPEC_VOLUME: Final = "spec"


@dataclass(frozen=True)
class Deployment:
    """What the resource asks for, and what the operator says of it. `job` is None before the first run.

    `observed`: the status speaks of the resource as it is now, and not of what it was before the last change.
    `volumes`: the JobManager's. `owner`: by which another resource says that it belongs to this one.
    """

    name: str
    resource_version: str
    generation: int
    observed: bool
    suspended: bool
    epoch: int
    fingerprint: str | None
    args: tuple[str, ...]
    job: JobSummary | None
    savepoint: str | None
    error: str | None
    volumes: tuple[Json, ...]
    owner: Json

    @property
    def spec_map(self) -> str | None:
        """Name of the ConfigMap with the job's spec; None: the pods have it from elsewhere."""
        named = (volume.get("configMap", {}).get("name") for volume in self.volumes if volume["name"] == SPEC_VOLUME)
        return next(named, None)

    @classmethod
    def from_json(cls, raw: Json) -> Deployment:
        """From the resource."""
        metadata, job, status = raw["metadata"], raw["spec"]["job"], raw.get("status") or {}
        notes = metadata.get("annotations") or {}
        wanted = raw["spec"].get("flinkConfiguration", {}).get(JOB_ID)
        found = _job(metadata["name"], status)
        savepoint = (status.get("jobStatus") or {}).get("upgradeSavepointPath")
        observed = metadata["generation"] == status.get("observedGeneration")
        if job["state"] == "running" and wanted and (found is None or found.id != wanted):
            found, observed = JobSummary(wanted, metadata["name"], "INITIALIZING", 0, None, 0, 0, 0), False
        return cls(
            name=metadata["name"],
            resource_version=metadata["resourceVersion"],
            generation=metadata["generation"],
            observed=observed,
            suspended=job["state"] == "suspended",
            epoch=int(notes.get(WRITER_EPOCH, 0)),
            fingerprint=notes.get(FINGERPRINT),
            args=tuple(job.get("args", ())),
            job=found,
            savepoint=savepoint if savepoint != LAST_STATE else None,
            error=status.get("error"),
            volumes=tuple(_volumes(raw["spec"])),
            owner={key: raw[key] for key in ("apiVersion", "kind")}
            | {key: metadata.get(key) for key in ("name", "uid")},
        )


def _volumes(spec: Json) -> list[Json]:
    pod = spec.get("jobManager", {}).get("podTemplate", {}).get("spec", {})
    return list(pod.get("volumes", ()))


def _job(name: str, status: Json) -> JobSummary | None:
    told = status.get("jobStatus") or {}
    if not told.get("jobId"):
        return None
    started, updated = int(told.get("startTime") or 0), int(told.get("updateTime") or 0)
    state = _state(told.get("state"), status.get("lifecycleState"))
    ended_at = updated if state in ENDED else None
    return JobSummary(told["jobId"], name, state, started, ended_at, max(0, updated - started), 0, 0)


def _state(state: str | None, lifecycle: str | None) -> str:
    """Flink's word for it: the operator has two of its own, and one for a cluster that is gone."""
    if lifecycle in ("SUSPENDED", "DELETED"):
        return state if state in ENDED else "CANCELED"
    if lifecycle == "FAILED":
        return "FAILED"
    return "INITIALIZING" if state in (None, "CREATED", "RECONCILING") else state
