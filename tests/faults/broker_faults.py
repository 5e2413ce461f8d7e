"""Faults of the broker and of the topic."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from confluent_kafka import TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined, unused-ignore]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
)

from orchestration.errors import ConfigurationError
from orchestration.resources.sql_files import sql_file
from tests.faults.fault import Fault, Since
from tests.faults.process_faults import Down, Hit, Pause
from tests.faults.site import SQL, Site, wait_for

_TIMEOUT_S: Final = 20.0


def _administer(site: Site, change: Callable[[AdminClient], dict[Any, Any]]) -> None:
    """Make a change and wait for it; a client that nobody holds any more takes its futures along."""
    admin = AdminClient({"bootstrap.servers": site.settings.kafka_bootstrap_servers, "log_level": 0})
    for done in change(admin).values():
        done.result(_TIMEOUT_S)


class TopicLimitLowered(Fault):
    """The topic takes no batch above 1 KiB for a while: the broker refuses, for good, what the producer sends."""

    name = "broker-refuses-records-20s"
    group = "broker"
    duration_s = 20.0

    def inject(self, site: Site) -> None:
        """Lower the limit."""
        self._set(site, AlterConfigOpType.SET)

    def bit(self, site: Site) -> bool:
        """The producer was told so."""
        return int(site.load.report().get("failed", 0)) > 0

    def end(self, site: Site) -> None:
        """Back to the broker's default."""
        self._set(site, AlterConfigOpType.DELETE)

    def _set(self, site: Site, operation: AlterConfigOpType) -> None:
        entry = ConfigEntry("max.message.bytes", "1024", incremental_operation=operation)
        topic = ConfigResource("topic", site.settings.kafka_topic, incremental_configs=[entry])
        _administer(site, lambda admin: admin.incremental_alter_configs([topic]))


class TopicDeleted(Fault):
    """The topic is deleted after everything in it has landed, and provisioned anew by the pipeline's own job."""

    name = "topic-deleted"
    group = "broker"
    duration_s = 30.0
    recovery_goal_s = 60.0
    red = "stream_healthy"
    causes = ("source_unreachable", "source_replaced", "crash_loop", "stuck")
    spoils = True

    def setup(self, site: Site) -> None:
        """What is deleted unread is lost by nobody's fault but the deleter's: drain first."""
        site.end_load()
        if not wait_for(lambda: site.accounts().to_go == 0 and site.stands_still(), 120):
            raise RuntimeError("the topic could not be drained before its deletion")

    def inject(self, site: Site) -> None:
        """Delete it."""
        topic = site.settings.kafka_topic
        _administer(site, lambda admin: admin.delete_topics([topic]))

    def bit(self, site: Site) -> bool:
        """The broker does not know it any more."""
        try:
            site.kafka.offsets(site.settings.kafka_topic)
        except ConfigurationError:
            return True
        return False

    def end(self, site: Site) -> None:
        """What a person does: launch the pipeline, which provisions. Then the events go on."""
        run_id = site.launch("start_pipeline")
        wait_for(lambda: bool(site.kafka.offsets(site.settings.kafka_topic)), 60)
        site.load.start()
        site.follow(run_id)

    def complaints(self, site: Site) -> list[str]:
        """The ledger must not take the new topic's offsets for those that it has audited in the old one."""
        accounts = site.accounts()
        ahead = {n: offset for n, offset in accounts.audited.items() if offset > accounts.ends.get(n, 0)}
        if not ahead:
            return []
        return [f"the ledger stands beyond the new topic's end in partitions {sorted(ahead)}: none of it is audited"]


class RetentionPassed(Fault):
    """While the job is suspended the broker deletes records that it has not read: gone, and the ledger must say so."""

    name = "retention-passes-suspended-job"
    group = "broker"
    duration_s = 10.0
    recovery_goal_s = 60.0
    detection_goal_s = 90.0
    red = "nothing_lost"
    stays_red = True
    loses_records = True
    spoils = True

    def __init__(self) -> None:
        self._deleted: dict[int, tuple[int, int]] = {}

    def inject(self, site: Site) -> None:
        """Suspend, let events come in, and delete the first half of what the job has not read."""
        site.run("stop_pipeline")
        time.sleep(10)
        topic, group = site.settings.kafka_topic, site.settings.kafka_consumer_group
        committed, spans = site.kafka.committed(group, topic), site.kafka.offsets(topic)
        self._deleted = {n: (committed[n], (committed[n] + span.end) // 2) for n, span in spans.items()}
        places = [TopicPartition(topic, number, until) for number, (_, until) in self._deleted.items()]
        _administer(site, lambda admin: admin.delete_records(places))

    def bit(self, site: Site) -> bool:
        """The log begins above the job's position."""
        spans = site.kafka.offsets(site.settings.kafka_topic)
        return all(spans[number].begin == until > begin for number, (begin, until) in self._deleted.items())

    def end(self, site: Site) -> None:
        """Resume."""
        site.run("start_pipeline")

    def complaints(self, site: Site) -> list[str]:
        """Of each partition deleted offsets are gone, and no others.

        Not all of them: the job had read further than it had committed, and those rows have landed. That each event
        that is missing is one of the gone is what the comparison with the journal tells.
        """
        query = sql_file(SQL, "gone")
        found = {
            number: site.execute(query, *deleted, site.settings.kafka_topic, number)[0]
            for number, deleted in self._deleted.items()
        }
        return [
            f"partition {number}: {count:,} offsets are gone, {'within' if within else 'not all of them within'} the "
            f"deleted {self._deleted[number]}"
            for number, (within, count) in found.items()
            if not (within and count)
        ]


class PartitionsAdded(Fault):
    """The topic gets two partitions more; a producer that begins afterwards uses them."""

    name = "partitions-added"
    group = "broker"
    # The job looks for new partitions once a minute (flink_jobs/sql/source.sql).
    recovery_goal_s = 75.0

    def __init__(self) -> None:
        self._before = 0

    def inject(self, site: Site) -> None:
        """Add them, and let another producer begin."""
        topic = site.settings.kafka_topic
        self._before = len(site.kafka.offsets(topic))
        _administer(site, lambda admin: admin.create_partitions([NewPartitions(topic, self._before + 2)]))
        wait_for(lambda: len(site.kafka.offsets(topic)) == self._before + 2, _TIMEOUT_S)
        site.end_load()
        site.load.start()

    def bit(self, site: Site) -> bool:
        """There are records in the new partitions."""
        spans = site.kafka.offsets(site.settings.kafka_topic)
        return any(span.end > 0 for number, span in spans.items() if number >= self._before)

    def recovered(self, site: Site, since: Since) -> float | None:
        """When the first row of each new partition had landed."""
        del since
        query = """
            SELECT count(*), extract(EPOCH FROM max(first_at))::float8
            FROM (SELECT min(landed_at) AS first_at FROM events WHERE kafka_partition >= %s AND id > %s
                  GROUP BY kafka_partition) AS firsts
        """
        number, at = site.execute(query, self._before, site.load.since_id)[0]
        return float(at) if number == 2 else None


FAULTS: Final[tuple[Fault, ...]] = (
    Hit("broker-kill", "broker", "kafka"),
    Hit("broker-kill-5", "broker", "kafka", times=5),
    Down("broker-restart", "broker", "kafka"),
    Pause("broker-pause-60s", "broker", "kafka", duration_s=60.0, red="stream_healthy", causes=("source_unreachable",)),
    Down("broker-down-3min", "broker", "kafka", duration_s=180.0, red="stream_healthy", causes=("source_unreachable",)),
    TopicLimitLowered(),
    PartitionsAdded(),
    RetentionPassed(),
    TopicDeleted(),
)
