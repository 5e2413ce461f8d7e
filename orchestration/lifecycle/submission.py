"""Submits one version of the job: takes the writer lease, writes the spec, runs the program."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from flink_jobs.spec import JobSpec
from orchestration.flink.submit import submit
from orchestration.lifecycle.locks import stamp
from orchestration.lifecycle.record import JobRecord, Version, take_lease
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import REPOSITORY, Settings, child_environment

TIMEOUT_S: Final = 120.0

# Told each step as it begins, for the log of a run; the tests end the process there.
Tell = Callable[[str], None]


def silent(step: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Submission:
    """A version of the job, ready to be submitted: a `Submitter` for `FlinkResource`.

    `spec` says where and how; what the job does is the version's definition. `lock` is inherited by the program.
    """

    settings: Settings
    postgres: PostgresResource
    spec: JobSpec
    version: Version
    record: JobRecord
    lock: int
    tell: Tell = silent

    def __call__(self, restore_path: str | None, job_id: str) -> str:
        """The id of the submitted job; raises what `orchestration.flink.submit` does."""
        name = self.spec.job_name
        self.tell(f"taking the writer lease for job {job_id}")
        epoch = take_lease(self.postgres, name, job_id, self.version, restore_path)
        offsets = self._start_offsets(restore_path)
        self.tell(f"submitting with lease {epoch}, from {restore_path or offsets or 'the offsets of the group'}")
        spec = replace(
            self.spec,
            job_id=job_id,
            writer_epoch=epoch,
            restore_path=restore_path,
            start_offsets=offsets,
            fingerprint=self.version.fingerprint,
        )
        submitted = self._hand_over(spec, job_id, epoch)
        self.tell("submitted; waiting until its tasks run")
        return submitted

    def _hand_over(self, spec: JobSpec, job_id: str, epoch: int) -> str:  # noqa: ARG002 - the spec holds them
        """Run the program that submits to a session cluster."""
        folder = self.settings.run_dir
        definition = folder / f"{spec.job_name}.definition.json"
        definition.write_text(self.version.definition.to_json(), encoding="utf-8")
        path = folder / f"{spec.job_name}.json"
        replace(spec, definition_file=str(definition)).write(path)
        stamp(self.lock)
        command = (sys.executable, "-m", "flink_jobs.main", "--spec", str(path))
        return submit(command, child_environment(), TIMEOUT_S, str(REPOSITORY), (self.lock,))

    def _start_offsets(self, restore_path: str | None) -> dict[int, int] | None:
        if restore_path is not None:
            return None
        offsets = self.spec.start_offsets or self.record.reset_offsets
        return dict(offsets) if offsets else None
