"""What the servers say at one moment, gathered for a verdict."""

from __future__ import annotations

import time

from orchestration.flink.client import FlinkClient
from orchestration.resources import topics
from orchestration.resources.kafka import KafkaResource
from orchestration.settings import Settings
from orchestration.verdicts import CheckpointFacts


def lag_by_partition(settings: Settings, kafka: KafkaResource) -> dict[int, int]:
    """Records that the job has not committed yet."""
    committed = kafka.committed(settings.kafka_consumer_group, settings.kafka_topic)
    return topics.lag_by_partition(kafka.offsets(settings.kafka_topic), committed)


def watch_commits(settings: Settings, kafka: KafkaResource, patience_s: float) -> tuple[int, int, float]:
    """Lag, offsets committed while watching, and seconds watched: until one is committed, or patience ends."""
    started = time.monotonic()
    first = kafka.committed(settings.kafka_consumer_group, settings.kafka_topic)
    lag = sum(lag_by_partition(settings, kafka).values())
    advanced = 0
    while lag and not advanced and time.monotonic() - started < patience_s:
        time.sleep(0.5)
        now = kafka.committed(settings.kafka_consumer_group, settings.kafka_topic)
        advanced = sum(now.values()) - sum(first.values())
    return lag, advanced, time.monotonic() - started


def checkpoint_facts(settings: Settings, client: FlinkClient) -> CheckpointFacts | None:
    """Age of the last checkpoint of our job, None if no job is active."""
    active = client.active_jobs(settings.flink_job_name)
    if not active:
        return None
    stats = client.checkpoints(active[0].id)
    now_s = time.time()
    latest = stats.latest_completed
    return CheckpointFacts(
        interval_s=settings.checkpoint_interval_ms / 1000,
        last_completed_age_s=now_s - latest.completed_at_ms / 1000 if latest else None,
        job_age_s=now_s - active[0].started_at_ms / 1000,
        failed_since_completed=stats.failed_since_completed,
    )


def restarts_since(name: str, client: FlinkClient, window_s: float) -> int | None:
    """Failures of our job within the window, None if no job is active."""
    active = client.active_jobs(name)
    if not active:
        return None
    since_ms = (time.time() - window_s) * 1000
    return sum(exception.at_ms >= since_ms for exception in client.exceptions(active[0].id, 50))
