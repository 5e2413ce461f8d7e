"""A job that the Apache Flink Kubernetes Operator runs, steered and told as by a `FlinkClient`.

https://nightlies.apache.org/flink/flink-kubernetes-operator-docs-main/docs/custom-resource/job-management/
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from orchestration.flink.client import OPEN, Access, FlinkClient
from orchestration.flink.deployment import FINGERPRINT, JOB_ID, SPEC_VOLUME, WRITER_EPOCH, Deployment
from orchestration.flink.errors import FlinkConflict, FlinkNotFound, FlinkRejected, FlinkUnreachable
from orchestration.flink.kubernetes import CustomResource
from orchestration.flink.types import JobException, JobSummary, Json, SavepointStatus

EPOCH_OPTION: Final = "--writer-epoch"
# To make a change between two of the operator's own.
ATTEMPTS: Final = 5
# By which `savepoint_status` knows a stop from a savepoint that the JobManager was asked for.
SUSPENSION: Final = "suspension"


@dataclass(frozen=True)
class Run:
    """One run to submit: the lease's epoch, and `restore_path` None to resume from nothing.

    `spec_map`: name of the ConfigMap with the job's spec; None: the one that is mounted already.
    """

    job_id: str
    epoch: int
    fingerprint: str
    parallelism: int
    restore_path: str | None = None
    spec_map: str | None = None


class OperatedClient(FlinkClient):
    """A `FlinkClient` for a cluster that is one job's own, and gone while the job is suspended.

    What starts and stops the job is a change of the resource, which the operator carries out; the rest is asked of the
    JobManager. Besides what `FlinkClient` raises: FlinkConflict when somebody else has changed the resource.
    """

    elastic = True

    def __init__(self, resource: CustomResource, rest_url: str, timeout_s: float = 3.0, access: Access = OPEN) -> None:
        super().__init__(rest_url, timeout_s, access)
        self.resource = resource

    def deployment(self) -> Deployment:
        """The resource as it is."""
        return Deployment.from_json(self.resource.read())

    def submit(self, run: Run) -> str:
        """Let the operator start the run; returns its job id.

        Raises:
            FlinkConflict: somebody else has submitted meanwhile, or holds a later lease; nothing was changed.
            FlinkRejected: a job runs; it has to be stopped first.
        """
        seen = self.deployment()
        if run.epoch <= seen.epoch:
            raise FlinkConflict(f"{seen.name} was submitted with lease {seen.epoch}, and {run.epoch} is none later")
        if not seen.suspended and seen.job and not seen.job.ended:
            raise FlinkRejected(f"{seen.name} runs as {seen.job.id}: stop it before another run is submitted")
        self._change(seen, _submission(seen, run))
        return run.job_id

    def jobs(self) -> tuple[JobSummary, ...]:
        """The one job, or none before its first run."""
        job = self.deployment().job
        return (self._with_tasks(job),) if job else ()

    def job(self, job_id: str) -> JobSummary:
        """One job."""
        _, job = self._running(job_id)
        return self._with_tasks(job)

    def job_parameters(self, job_id: str) -> dict[str, str]:
        """The fingerprint alone, which the resource knows although the JobManager may be away."""
        seen, _ = self._running(job_id)
        return {"fingerprint": seen.fingerprint} if seen.fingerprint else {}

    def exceptions(self, job_id: str, limit: int = 20) -> tuple[JobException, ...]:
        """The latest failures of the job; of a JobManager that gives no answer, what the operator says."""
        try:
            return super().exceptions(job_id, limit)
        except FlinkUnreachable:
            seen, job = self._running(job_id)
            if seen.error is None:
                raise
            return (JobException("", seen.error, job.ended_at_ms or job.started_at_ms, None, None, (seen.error,)),)

    def stop_with_savepoint(self, job_id: str, directory: str, *, drain: bool = False) -> str:  # noqa: ARG002
        """Suspend the job; the operator puts the savepoint where the resource's own configuration says."""
        if drain:
            raise FlinkRejected("the operator does not drain a job that it suspends; stop it without")
        return self._suspend(job_id, "savepoint")

    def cancel(self, job_id: str) -> None:
        """Suspend the job as it is; the operator remembers its last checkpoint."""
        self._suspend(job_id, "last-state")

    def savepoint_status(self, job_id: str, request_id: str) -> SavepointStatus:
        """How far a savepoint or a suspension is."""
        if request_id != SUSPENSION:
            return super().savepoint_status(job_id, request_id)
        now = self.deployment()
        done = now.observed and (now.job is None or now.job.ended)
        return SavepointStatus(done, now.savepoint, now.error) if done else SavepointStatus(False, None, None)

    def _suspend(self, job_id: str, how: str) -> str:
        seen, _ = self._running(job_id)
        self._change(seen, {"spec": {"job": {"state": "suspended", "upgradeMode": how}}})
        return SUSPENSION

    def _running(self, job_id: str) -> tuple[Deployment, JobSummary]:
        """The resource and its job, if that is this one."""
        seen = self.deployment()
        if seen.job is None or seen.job.id != job_id:
            raise FlinkNotFound(f"no job {job_id}: {seen.name} runs another, or none")
        return seen, seen.job

    def _change(self, seen: Deployment, fields: Json) -> None:
        """Change what was seen. The operator's own notes make a version too; only another generation is a conflict."""
        now = seen
        for attempts_left in reversed(range(ATTEMPTS)):
            try:
                self.resource.change(now.resource_version, fields)
            except FlinkConflict:
                now = self.deployment()
                if now.generation != seen.generation or not attempts_left:
                    raise
            else:
                return

    def _with_tasks(self, job: JobSummary) -> JobSummary:
        """The operator does not tell tasks; without an answer of the JobManager none is known to run."""
        if job.state != "RUNNING":
            return job
        try:
            told = super().job(job.id)
        except (FlinkUnreachable, FlinkRejected):
            return job
        return replace(told, name=job.name)


def _submission(seen: Deployment, run: Run) -> dict[str, Any]:
    args = list(seen.args)
    if EPOCH_OPTION in args:
        del args[args.index(EPOCH_OPTION) : args.index(EPOCH_OPTION) + 2]
    job: dict[str, Any] = {
        "state": "running",
        "upgradeMode": "savepoint",
        "parallelism": run.parallelism,
        "args": [*args, EPOCH_OPTION, str(run.epoch)],
    }
    # A nonce that changes lets the operator start from this point, or from none, instead of its own; epochs never
    # repeat, and a field that is None is removed.
    job |= {"initialSavepointPath": run.restore_path, "savepointRedeployNonce": run.epoch}
    spec: dict[str, Any] = {"flinkConfiguration": {JOB_ID: run.job_id}, "job": job}
    if run.spec_map:
        spec["jobManager"] = {"podTemplate": {"spec": {"volumes": _mounting(run.spec_map, seen)}}}
    return {
        "metadata": {"annotations": {FINGERPRINT: run.fingerprint, WRITER_EPOCH: str(run.epoch)}},
        "spec": spec,
    }


def _mounting(spec_map: str, seen: Deployment) -> list[Json]:
    """The volumes, of which a change replaces the whole list."""
    others = [volume for volume in seen.volumes if volume["name"] != SPEC_VOLUME]
    return [{"name": SPEC_VOLUME, "configMap": {"name": spec_map}}, *others]
