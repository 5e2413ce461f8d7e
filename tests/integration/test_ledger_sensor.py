"""The ledger's sensor: a real pass per tick, and what it tells Dagster."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from orchestration.defs import dead_letters, ledger
from orchestration.ledger.acknowledgement import acknowledge_gone
from orchestration.ledger.letters import printable, read_letters
from orchestration.ledger.standing import read_deep_audit, read_standing
from orchestration.ledger.verdicts import Tally
from orchestration.resources.kafka import KafkaResource, TopicSpec
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import Settings


def execute(postgres: PostgresResource, text: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> None:
    with postgres.connect("owner") as connection, connection, connection.cursor() as cursor:
        cursor.execute(text, parameters)


@dataclass
class Pipeline:
    """A topic of one partition, a table and a consumer group, and the sensor's ticks over them."""

    settings: Settings
    kafka: KafkaResource
    postgres: PostgresResource
    instance: dg.DagsterInstance
    cursor: str | None = None

    def send(self, *values: bytes) -> None:
        """Produce the values, and commit them as the job would."""
        topic = self.settings.kafka_topic
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap_servers})
        for value in values:
            producer.produce(topic, value, partition=0)
        assert producer.flush(10) == 0
        group = {"bootstrap.servers": self.kafka.bootstrap_servers, "group.id": self.settings.kafka_consumer_group}
        consumer = Consumer(group)
        end = self.kafka.offsets(topic)[0].end
        consumer.commit(offsets=[TopicPartition(topic, 0, end)], asynchronous=False)
        consumer.close()

    def land(self, offset: int) -> None:
        """The row of the good event at an offset."""
        execute(
            self.postgres,
            "INSERT INTO events (event_id, user_name, location, kafka_partition, kafka_offset, produced_at) "
            "VALUES (%s, 'u', 'l', 0, %s, clock_timestamp())",
            (f"e{offset}", offset),
        )

    def tick(self) -> tuple[list[str], str]:
        """One tick as the daemon does it: what was reported, in short, and why nothing was."""
        (sensor,) = ledger.sensors(self.settings)
        context = dg.build_sensor_context(
            self.instance, self.cursor, resources={"kafka": self.kafka, "postgres": self.postgres}
        )
        result = sensor(context)
        assert isinstance(result, dg.SensorResult), result
        self.cursor = result.cursor
        for event in result.asset_events:
            self.instance.report_runless_asset_event(event)
        reason = result.skip_reason
        return [_short(event) for event in result.asset_events], str(reason.skip_message) if reason else ""


def _short(event: object) -> str:
    if isinstance(event, dg.AssetCheckEvaluation):
        return f"{event.check_name} {'passed' if event.passed else event.severity.value}"
    assert isinstance(event, dg.AssetMaterialization)
    return event.asset_key.to_user_string()


def good(offset: int) -> bytes:
    return json.dumps({"event_id": f"e{offset}", "user_name": "u", "location": "l"}).encode()


@pytest.fixture
def pipeline(
    settings: Settings, kafka: KafkaResource, migrated: PostgresResource, topic_name: str, tmp_path: Path
) -> Iterator[Pipeline]:
    """An empty pipeline of the test's own."""
    kafka.ensure_topic(TopicSpec(topic_name, 1, 1, 3_600_000))
    own = settings.model_copy(update={"kafka_topic": topic_name, "kafka_consumer_group": f"group-{topic_name}"})
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield Pipeline(own, kafka, migrated, instance)


def test_a_tick_tells_what_has_changed_and_nothing_else(pipeline: Pipeline) -> None:
    pipeline.send(*(good(offset) for offset in range(30)), b"{bad")
    for offset in range(30):
        pipeline.land(offset)
    told, _ = pipeline.tick()
    verdicts = ["nothing_lost passed", "offsets_balance passed", "dead_letter_share passed"]
    assert told == ["ledger", "dead_letters", *verdicts]
    told, reason = pipeline.tick()
    assert told == []
    assert reason.startswith("nothing new in ")
    pipeline.send(good(31))
    pipeline.land(31)
    assert pipeline.tick()[0] == ["ledger"]


def test_a_deleted_row_turns_the_check_red_and_its_return_green(pipeline: Pipeline) -> None:
    pipeline.send(good(0), good(1))
    pipeline.land(0)
    pipeline.land(1)
    pipeline.tick()
    execute(pipeline.postgres, "DELETE FROM events WHERE kafka_offset = 1")
    assert pipeline.tick()[0] == ["ledger", "nothing_lost ERROR"]
    standing = read_standing(pipeline.postgres, pipeline.settings.kafka_topic)
    assert list(standing.lost[0]) == [1]
    pipeline.land(1)
    assert pipeline.tick()[0] == ["ledger", "nothing_lost passed"]


def test_an_acknowledgement_turns_the_check_green(pipeline: Pipeline) -> None:
    pipeline.send(good(0))
    pipeline.land(0)
    pipeline.tick()
    pipeline.send(good(1))
    place = TopicPartition(pipeline.settings.kafka_topic, 0, 2)
    admin = AdminClient({"bootstrap.servers": pipeline.kafka.bootstrap_servers})
    admin.delete_records([place])[place].result(10)
    assert pipeline.tick()[0] == ["ledger", "nothing_lost ERROR"]
    acknowledge_gone(pipeline.postgres, pipeline.settings.kafka_topic, "an outage", "r1")
    assert pipeline.tick()[0] == ["ledger", "nothing_lost passed"]


def test_a_deleted_letter_is_restored_and_told(pipeline: Pipeline) -> None:
    pipeline.send(good(0), b"{bad")
    pipeline.land(0)
    pipeline.tick()
    execute(pipeline.postgres, "DELETE FROM dead_letters")
    assert pipeline.tick()[0] == ["ledger", "dead_letters"]
    assert read_letters(pipeline.postgres, pipeline.settings.kafka_topic).by_reason == {"undecodable": 1}


def test_a_bad_deployment_shouts_though_the_past_was_good(pipeline: Pipeline) -> None:
    """The window begins at what the last pass before it told, which stands in the ledger's history."""
    past = dg.AssetMaterialization("ledger", metadata={"audited": 1_000, "dead": 0})
    pipeline.instance.report_runless_asset_event(past)
    pipeline.settings = pipeline.settings.model_copy(update={"dead_letter_window_s": 0})
    share = dead_letters.share_since(pipeline.instance, pipeline.settings, Tally(1_010, 6))
    assert (share.passed, share.severity.value) == (False, "ERROR")
    assert share.metadata["audited"] == 10


def test_letters_are_shown_as_text_and_nothing_but_text(pipeline: Pipeline) -> None:
    pipeline.send(b'{"a":"\x1b[31m\x00\xff<b>"', b"x" * 500)
    pipeline.tick()
    shown = read_letters(pipeline.postgres, pipeline.settings.kafka_topic).newest
    assert {letter.value for letter in shown} == {'{"a":"\\x1b[31m\\x00\\xff<b>"', "x" * 80 + "..."}
    assert printable(None) == ""
    assert printable("é\u202e\u2028".encode()) == "é\\u202e\\u2028"


def begin_audit(
    postgres: PostgresResource, topic: str, begin: int, end: int, *findings: int, done: bool = True
) -> None:
    execute(
        postgres,
        "WITH a AS (INSERT INTO deep_audits (topic, ranges, finished_at, records, counts) VALUES "
        "(%(topic)s, %(ranges)s, CASE WHEN %(done)s THEN clock_timestamp() END, 5, '{}') RETURNING id) "
        "INSERT INTO deep_audit_findings (audit_id, topic, kafka_partition, kafka_offset, kind, expected, found) "
        "SELECT id, %(topic)s, 0, f, 'altered', 'x', 'y' FROM a, unnest(%(findings)s::bigint[]) AS f",
        {"topic": topic, "ranges": json.dumps({"0": [begin, end]}), "done": done, "findings": list(findings)},
    )


def test_findings_stay_open_until_their_offset_is_read_again(pipeline: Pipeline) -> None:
    postgres, topic = pipeline.postgres, pipeline.settings.kafka_topic
    assert read_deep_audit(postgres, topic) is None

    def open_findings() -> dict[str, int]:
        facts = read_deep_audit(postgres, topic)
        assert facts is not None
        return dict(facts.counts)

    begin_audit(postgres, topic, 0, 100, 7, 50)
    assert open_findings() == {"altered": 2}
    begin_audit(postgres, topic, 0, 10)  # a short range, clean: offset 7 was put right
    assert open_findings() == {"altered": 1}
    begin_audit(postgres, topic, 0, 100, 60, done=False)  # cut off: it clears nothing
    assert open_findings() == {"altered": 2}
    begin_audit(postgres, topic, 0, 100)
    assert open_findings() == {}
