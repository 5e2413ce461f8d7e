"""Whether a new version of the job proves itself: it checkpoints, rows land, and the ledger balances."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orchestration.errors import ConfigurationError, TransientError
from orchestration.flink.client import FlinkClient
from orchestration.flink.resource import FlinkResource
from orchestration.ledger.accounting import Fate
from orchestration.ledger.audit import Limits, audit_committed
from orchestration.ledger.standing import read_standing
from orchestration.ledger.verdicts import total
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import Settings

# Enough to see what a version does, and little enough not to wait for a backlog.
SAMPLE_OFFSETS: Final = 10_000


class UpgradeRolledBack(ConfigurationError):  # noqa: N818 - named for what it says
    """The new version did not prove itself; the old one runs again."""


@dataclass(frozen=True)
class Proof:
    """What is known of a new version; `audited_to` and `goal` by partition, `lost_before` counted before it ran."""

    checkpoints: int
    audited_to: Mapping[int, int]
    goal: Mapping[int, int]
    lost: int
    lost_before: int

    @property
    def missing(self) -> str | None:
        """What is still to be shown; None: the version has proved itself."""
        if self.checkpoints == 0:
            return "no checkpoint has completed"
        behind = {number: end for number, end in self.goal.items() if self.audited_to.get(number, 0) < end}
        if behind:
            return "not accounted for up to " + ", ".join(f"{number}: {end}" for number, end in sorted(behind.items()))
        if self.lost > self.lost_before:
            return f"{self.lost - self.lost_before} records that should have landed did not"
        return None


@dataclass(frozen=True)
class Trial:
    """A new version on the records that wait, at most 10,000 of each partition."""

    settings: Settings
    flink: FlinkResource
    kafka: KafkaResource
    postgres: PostgresResource
    job_id: str
    lost_before: int

    def verify(self) -> None:
        """Return once the version has proved itself.

        Raises:
            ConfigurationError: it did not within `upgrade_limit_s`; the message says what was missing.
        """
        deadline = time.monotonic() + self.settings.upgrade_limit_s
        group, topic = self.settings.kafka_consumer_group, self.settings.kafka_topic
        ends = {number: span.end for number, span in self.kafka.offsets(topic).items()}
        goal = sample(self.kafka.committed(group, topic), ends)
        while missing := self._missing(goal):
            if time.monotonic() > deadline:
                raise ConfigurationError(f"{missing} within {self.settings.upgrade_limit_s} s")
            time.sleep(1.0)

    def _missing(self, goal: Mapping[int, int]) -> str | None:
        try:
            return self._proof(goal).missing
        except TransientError as error:
            return str(error)

    def _proof(self, goal: Mapping[int, int]) -> Proof:
        group, topic = self.settings.kafka_consumer_group, self.settings.kafka_topic
        checkpoints = self.flink.client.checkpoints(self.job_id).completed
        audit_committed(self.kafka, self.postgres, group, topic, Limits(time_budget_s=10.0))
        totals = read_standing(self.postgres, topic).totals
        audited_to = {number: partition.span.end for number, partition in totals.items()}
        return Proof(checkpoints, audited_to, goal, total(totals, Fate.LOST), self.lost_before)


def sample(committed: Mapping[int, int], ends: Mapping[int, int]) -> dict[int, int]:
    """Up to where to look, by partition."""
    return {number: min(end, committed.get(number, 0) + SAMPLE_OFFSETS) for number, end in ends.items()}


def lost_records(settings: Settings, postgres: PostgresResource) -> int:
    """Records that the ledger calls LOST now."""
    return total(read_standing(postgres, settings.kafka_topic).totals, Fate.LOST)


def check_slots(client: FlinkClient, job_name: str, parallelism: int) -> None:
    """Raises: ConfigurationError if the cluster, less what other jobs hold, has fewer slots, and gets no others."""
    if client.elastic:
        return
    own = max((vertex.parallelism for job in client.active_jobs(job_name) for vertex in client.vertices(job.id)),
              default=0)  # fmt: skip
    free = client.overview().slots_available + own
    if parallelism > free:
        raise ConfigurationError(
            f"parallelism {parallelism} needs as many slots, and the cluster has {free} for {job_name}: "
            "add a TaskManager, raise taskmanager.numberOfTaskSlots, or choose less"
        )
