"""Submits one version of the job to Flink's operator: a ConfigMap with all it does, and one change of the resource.

Each run has a ConfigMap of its own, which nobody can change, and the change that starts the run names it: a JobManager
never finds one run's lease beside another's definition, whoever dies between the two steps.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from flink_jobs.spec import JobSpec
from orchestration.errors import Pi3Error
from orchestration.flink.errors import FlinkConflict, FlinkRejected
from orchestration.flink.operated import OperatedFlinkResource
from orchestration.flink.operator import Run
from orchestration.lifecycle.submission import Submission

# What infra/kubernetes/base/flink.yaml mounts into the JobManager, and what its image holds.
SPEC_DIR: Final = "/opt/pi3/spec"
PASSWORD_FILE: Final = "/run/pi3/password"  # noqa: S105
LIB_DIR: Final = "/opt/flink/lib"


@dataclass(frozen=True)
class OperatedSubmission(Submission):
    """A version of the job, ready to be submitted; raises what `orchestration.flink.operator` does."""

    flink: OperatedFlinkResource = field(kw_only=True)

    def _hand_over(self, spec: JobSpec, job_id: str, epoch: int) -> str:
        client, maps = self.flink.client, self.flink.config_maps
        before, name = client.deployment(), f"{map_prefix(spec.job_name)}{epoch}"
        files = {"job.json": in_pod(spec).to_json(), "definition.json": self.version.definition.to_json()}
        maps.create(name, files, before.owner)
        run = Run(job_id, epoch, self.version.fingerprint, spec.parallelism, spec.restore_path, name)
        try:
            client.submit(run)
        except (FlinkConflict, FlinkRejected):
            self._forget(name)
            raise
        self._forget(before.spec_map)
        return job_id

    def _forget(self, name: str | None) -> None:
        """Delete a ConfigMap of a run that is over or was none; one that stays does no harm, and goes with the job."""
        if name and name.startswith(map_prefix(self.spec.job_name)):
            with suppress(Pi3Error):
                self.flink.config_maps.delete(name)


def map_prefix(job_name: str) -> str:
    """How the names of the runs' ConfigMaps begin; the number of the lease follows."""
    return f"{job_name}-spec-"


def in_pod(spec: JobSpec) -> JobSpec:
    """The spec as the JobManager's pod sees it. What the resource says of the run is left to the resource."""
    return replace(
        spec,
        password_file=PASSWORD_FILE,
        definition_file=f"{SPEC_DIR}/definition.json",
        client_lib_dir=LIB_DIR,
        client_java_home=None,
        client_log_dir=None,
        rest_address=None,
        rest_port=None,
        job_id=None,
        writer_epoch=None,
        restore_path=None,
    )
