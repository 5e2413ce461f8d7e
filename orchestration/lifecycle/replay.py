"""A replay: the stream's own job once more, bounded to a range of offsets, beside the stream and into the same table.

It writes under a lease of its own and commits no offsets. Rows are upserted by their key, and a trigger keeps those
that are newer than the replayed record (migration 0006), so it mends and adds, and sets nothing back.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Final

from flink_jobs.builder import Definition, define, fingerprint
from flink_jobs.spec import JobSpec, jar_names
from orchestration.errors import ConfigurationError, TransientError
from orchestration.flink.client import FlinkClient
from orchestration.flink.errors import FlinkNotFound, FlinkUnreachable
from orchestration.flink.operated import OperatedFlinkResource
from orchestration.flink.storage import state_folder
from orchestration.flink.types import JobSummary
from orchestration.ledger.audit import Limits, audit_committed
from orchestration.lifecycle import record
from orchestration.lifecycle.locks import exclusive
from orchestration.lifecycle.record import JobRecord, Version
from orchestration.lifecycle.replay_figures import Begun, Effect, FigureStore
from orchestration.lifecycle.replay_ranges import PREFIX, Ranges, count, with_all_partitions, words
from orchestration.lifecycle.submission import Submission
from orchestration.lifecycle.upgrade import check_slots
from orchestration.streaming_job import StreamingJob, current_version, job_spec

# Only one replay runs at a time, so that it takes no more from the stream than its own slots.
LOCK: Final = "replay"
FINISHED: Final = "FINISHED"
# A dead JobManager is back by then, or somebody has to look.
PATIENCE_S: Final = 60.0
POLL_S: Final = 0.5
PASSES: Final = 5
# What belongs to the run in a definition, rather than to what the job does.
OWN_SETTINGS: Final = (
    "pipeline.name",
    "parallelism.default",
    "execution.checkpointing.dir",
    "execution.checkpointing.savepoint-dir",
)
# The stream is restarted for ever, since its health is watched. A replay is waited for: it fails after some 5 minutes.
RESTARTS: Final = {"restart-strategy.exponential-delay.attempts-before-reset-backoff": "16"}


@dataclass(frozen=True)
class Outcome:
    """A replay that is over. `is_current`: what ran is what this code and these settings would run."""

    job: JobSummary
    version: Version
    is_current: bool
    begun: Begun
    effect: Effect

    @property
    def records_per_s(self) -> float:
        """Offsets by the time from the job's start to its end."""
        return count(self.begun.ranges) / max(self.job.duration_ms / 1000, 0.001)


@dataclass(frozen=True)
class Replay:
    """A replay, known by its name, of ranges that are retained and committed; several runs of one end as one.

    `name`: Flink's name of the job, see `replay_ranges.job_name`. `parallelism`: subtasks, and so slots, which the
    stream's job does not have.
    """

    stream: StreamingJob
    name: str
    ranges: Ranges
    parallelism: int = 1

    def run(self) -> Outcome:
        """Return once the ranges are replayed and the ledger has seen it.

        What an earlier run of this replay has left is gone on with: its ranges and its figures, and its job, which is
        adopted, or its end taken for the end of this one.

        Raises:
            ConfigurationError: too few slots are free, or the operator runs the job; nothing was started.
            TransientError: a server is out of reach, the job failed, or another replay is under way; try again.
        """
        if isinstance(self.stream.flink, OperatedFlinkResource):
            raise ConfigurationError(
                "a replay needs a session cluster beside the stream's, and PI3_FLINK_BACKEND is kubernetes: reset the "
                "stream to a time before the rows in question, and it reads again what follows"
            )
        with exclusive(self.stream.postgres, LOCK, self.stream.settings.run_dir) as lock:
            job_id = self._under_way()
            if job_id is None:
                self._require_no_other()
                check_slots(self._client, self.name, self.parallelism)
            begun = self._figures.begin(self.ranges)
            version = self._version()
            job = self._until_finished(job_id or self._submit(begun.ranges, version, lock))
            self.stream.tell("the job has finished; letting the ledger look at the ranges")
            self._settle_ledger(begun.ranges)
            self._clean_up()
            return Outcome(job, version, self._is_current(), begun, self._figures.end(begun))

    @property
    def _client(self) -> FlinkClient:
        return self.stream.flink.client

    @property
    def _figures(self) -> FigureStore:
        return FigureStore(self.stream.postgres, self.name, self.stream.settings.kafka_topic)

    def _under_way(self) -> str | None:
        """The job that an earlier run has started and that is to be waited for, or has finished."""
        known = record.read(self.stream.postgres, self.name)
        found = {job.id: job for job in self._client.jobs()}.get(known.job_id or "") if known else None
        if found is None or (found.ended and found.state != FINISHED):
            return None
        self.stream.tell(f"adopting job {found.id} of an earlier run, which is {found.state}")
        return found.id

    def _require_no_other(self) -> None:
        """A replay whose run has died leaves its job, which its own next run adopts."""
        others = {job.name for job in self._client.jobs() if job.name.startswith(PREFIX) and not job.ended}
        if others:
            raise TransientError(f"{others.pop()} still runs, whose own run has died: wait for its end, or cancel it")

    def _submit(self, ranges: Ranges, version: Version, lock: int) -> str:
        """Always from the beginning: to replay a part of the ranges twice changes nothing."""
        stream, asked = self.stream, JobRecord(self.name, "running", datetime.now(timezone.utc))
        stream.tell(f"replaying {words(ranges)} as {self.name}")
        retained = stream.kafka.offsets(stream.settings.kafka_topic)
        spans = with_all_partitions(ranges, retained)
        spec = replace(
            replay_spec(job_spec(stream.settings), self.name, self.parallelism),
            start_offsets={number: span.begin for number, span in spans.items()},
            end_offsets={number: span.end for number, span in spans.items()},
        )
        submission = Submission(stream.settings, stream.postgres, spec, version, asked, lock, stream.tell)
        return submission(None, secrets.token_hex(16))

    def _is_current(self) -> bool:
        kept = self.stream.version()
        return kept.fingerprint == current_version(self.stream.settings, kept.parallelism).fingerprint

    def _version(self) -> Version:
        stream = job_spec(self.stream.settings)
        spec = replay_spec(stream, self.name, self.parallelism)
        definition = replay_definition(self.stream.version().definition, stream, spec)
        return Version(fingerprint(definition, jar_names(spec)), definition, self.parallelism)

    def _until_finished(self, job_id: str) -> JobSummary:
        answered = time.monotonic()
        while True:
            try:
                job = self._client.job(job_id)
            except FlinkUnreachable:
                if time.monotonic() > answered + PATIENCE_S:
                    raise
            except FlinkNotFound as error:
                raise TransientError(f"the JobManager was restarted and has forgotten {self.name}") from error
            else:
                answered = time.monotonic()
                if job.state == FINISHED:
                    return job
                if job.ended:
                    raise TransientError(f"{self.name}, job {job_id}, is {job.state}: {self._cause(job_id)}")
            time.sleep(POLL_S)

    def _cause(self, job_id: str) -> str:
        exceptions = self._client.exceptions(job_id)
        return exceptions[0].message if exceptions else "somebody cancelled it"

    def _settle_ledger(self, ranges: Ranges) -> None:
        """Let passes count what was LOST in the ranges again, until nothing is, or the ledger insists."""
        settings, figures = self.stream.settings, self._figures
        for _ in range(PASSES):
            group, topic = settings.kafka_consumer_group, settings.kafka_topic
            done = audit_committed(self.stream.kafka, self.stream.postgres, group, topic, Limits(10.0, 10.0))
            if done.ran and not figures.lost(ranges):
                return
            time.sleep(POLL_S)

    def _clean_up(self) -> None:
        """Flink has deleted the checkpoints of a job that has finished, and leaves their folders."""
        settings = self.stream.settings
        state_folder(replay_state_uri(settings.flink_state_uri, self.name), settings.s3_endpoint_url).remove()
        for suffix in ("json", "definition.json"):
            (self.stream.settings.run_dir / f"{self.name}.{suffix}").unlink(missing_ok=True)


def replay_state_uri(state_uri: str, name: str) -> str:
    """Where a replay keeps its checkpoints: where the stream's restore points are not looked for."""
    return f"{state_uri.rstrip('/')}/replays/{name}"


def replay_spec(stream: JobSpec, name: str, parallelism: int) -> JobSpec:
    """The stream's spec under the replay's own name, state folder and group; which offsets, is left open."""
    return replace(
        stream,
        job_name=name,
        state_uri=replay_state_uri(stream.state_uri, name),
        consumer_group=f"{stream.consumer_group}.{name}",
        parallelism=parallelism,
    )


def replay_definition(kept: Definition, stream: JobSpec, spec: JobSpec) -> Definition:
    """What the stream runs, be it of another version than this code, with what `spec` has of its own."""
    current, own = define(stream), define(spec)
    return replace(
        kept,
        settings={**kept.settings, **{key: own.settings[key] for key in OWN_SETTINGS}, **RESTARTS},
        source=_with_lines_of(own.source, kept.source, current.source),
    )


def _with_lines_of(own: str, kept: str, current: str) -> str:
    """`kept` with each line of `own` that differs from `current` in the place of the latter."""
    changed: Mapping[str, str] = dict(zip(current.splitlines(), own.splitlines(), strict=True))
    return "\n".join(changed.get(line, line) for line in kept.splitlines())
