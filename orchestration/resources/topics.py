"""Topics and offsets as plain values: what is wanted, what was found, and the pure comparisons between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestration.settings import Settings

__all__ = ["OffsetRange", "TopicReport", "TopicSpec", "lag_by_partition", "topic_drift"]


@dataclass(frozen=True)
class TopicSpec:
    """The topic that the pipeline wants."""

    name: str
    partitions: int
    replication_factor: int
    retention_ms: int

    @classmethod
    def of(cls, settings: Settings) -> TopicSpec:
        """The stream's topic, as the settings say."""
        return cls(
            settings.kafka_topic,
            settings.kafka_partitions,
            settings.kafka_replication_factor,
            settings.kafka_retention_ms,
        )


@dataclass(frozen=True)
class TopicReport:
    """The topic as it is; `drift` has one line for each difference from the spec, none of which was altered."""

    created: bool
    partitions: int
    replication_factor: int
    retention_ms: int
    cleanup_policy: str
    drift: tuple[str, ...]


@dataclass(frozen=True)
class OffsetRange:
    """Offsets of one partition: `begin` is the oldest retained record's, `end` the next record's."""

    begin: int
    end: int


def topic_drift(spec: TopicSpec, replicas: Mapping[int, int], config: Mapping[str, str]) -> tuple[str, ...]:
    """One line for each property that differs from the spec, or that lets records vanish before they are read."""
    compared: list[tuple[str, Any, Any]] = [
        ("partitions", len(replicas), spec.partitions),
        ("replication factor", min(replicas.values()), spec.replication_factor),
        ("retention.ms", int(config["retention.ms"]), spec.retention_ms),
        ("cleanup.policy", config["cleanup.policy"], "delete"),
        ("retention.bytes", int(config.get("retention.bytes", -1)), -1),
    ]
    return tuple(f"{name} is {found}, wanted {wanted}" for name, found, wanted in compared if found != wanted)


def lag_by_partition(offsets: Mapping[int, OffsetRange], committed: Mapping[int, int]) -> dict[int, int]:
    """Records that the group has still to read; a partition without a commit is read from its begin."""
    return {
        partition: max(0, bounds.end - max(bounds.begin, committed.get(partition, bounds.begin)))
        for partition, bounds in offsets.items()
    }
