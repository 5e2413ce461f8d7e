"""The deep audit on a real topic and a real table: each kind of sabotage is named, with its offset."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from psycopg2.extras import execute_values

from contract.event import EventRow
from orchestration.errors import ConfigurationError, TransientError
from orchestration.ledger.content import Kind
from orchestration.ledger.deep_audit import DeepAuditLimits, DeepAuditReport, audited_ranges, run_deep_audit
from orchestration.ledger.validator import validate
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.resources.topics import OffsetRange, TopicSpec

# Of today: retention goes by the records' timestamps.
AT_MS = time.time_ns() // 1_000_000
PARTITIONS = 2
EVENTS = 1_200

UPSERT = """
    INSERT INTO events (event_id, user_name, location, kafka_partition, kafka_offset, produced_at)
    VALUES %s
    ON CONFLICT (event_id) DO UPDATE SET
        user_name = EXCLUDED.user_name, location = EXCLUDED.location, kafka_partition = EXCLUDED.kafka_partition,
        kafka_offset = EXCLUDED.kafka_offset, produced_at = EXCLUDED.produced_at
"""
ROW = "(%s, %s, %s, %s, %s, to_timestamp(%s / 1000.0))"
LETTER = """
    INSERT INTO dead_letters (topic, kafka_partition, kafka_offset, reason, detail, key, value)
    VALUES (%s, %s, %s, 'undecodable', 'for the test', %s, %s)
"""


def event(event_id: str, user_name: str = "ann", location: str = "São Paulo") -> bytes:
    return f'{{"event_id":"{event_id}","user_name":"{user_name}","location":"{location}"}}'.encode()


@dataclass
class Site:
    """A topic and a table of a test's own; records land in the table as the job lands them."""

    kafka: KafkaResource
    postgres: PostgresResource
    topic: str

    def send(self, values: Sequence[bytes | None], partition: int = 0, land: bool = True) -> None:
        offsets: list[int] = []
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap_servers, "message.max.bytes": 2_000_000})
        for value in values:
            producer.produce(
                self.topic,
                value,
                b"key",
                partition,
                on_delivery=lambda _, message: offsets.append(message.offset() or 0),
                timestamp=AT_MS,
            )
            producer.poll(0)
        assert producer.flush(30) == 0
        rows = [(offset, validate(value)) for offset, value in zip(offsets, values, strict=True)]
        if land:
            self.land([(row, partition, offset) for offset, row in rows if isinstance(row, EventRow)])

    def land(self, rows: Sequence[tuple[EventRow, int, int]]) -> None:
        with self.postgres.connect("writer") as connection, connection, connection.cursor() as cursor:
            # One statement cannot upsert an id twice, so the newest record of each is landed.
            newest = {r.event_id: (r.event_id, r.user_name, r.location, *place, AT_MS) for r, *place in rows}
            execute_values(cursor, UPSERT, list(newest.values()), ROW)

    def sabotage(self, statement: str, role: str = "owner", parameters: Sequence[object] = ()) -> None:
        with self.postgres.connect(role) as connection, connection, connection.cursor() as cursor:  # type: ignore[arg-type]
            cursor.execute(statement, parameters)
            assert cursor.rowcount != 0

    def audit(
        self, limits: DeepAuditLimits | None = None, chosen: dict[int, OffsetRange] | None = None
    ) -> DeepAuditReport:
        retained = self.kafka.offsets(self.topic)
        committed = {partition: span.end for partition, span in retained.items()}
        ranges = audited_ranges(retained, committed, chosen)
        return run_deep_audit(self.kafka, self.postgres, self.topic, ranges, limits or DeepAuditLimits())

    def stored(self, report: DeepAuditReport) -> list[tuple[str, int, int]]:
        query = (
            "SELECT kind, kafka_partition, kafka_offset FROM deep_audit_findings"
            " WHERE audit_id = %s AND topic = %s ORDER BY id"
        )
        with self.postgres.connect("reader") as connection, connection.cursor() as cursor:
            cursor.execute(query, (report.audit_id, self.topic))
            return cursor.fetchall()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of records and blocks of rows end in the midst of things, each elsewhere."""
    monkeypatch.setattr("orchestration.ledger.deep_records.BATCH_RECORDS", 150)
    monkeypatch.setattr("orchestration.ledger.deep_store.FETCH_ROWS", 130)


@pytest.fixture
def site(kafka: KafkaResource, migrated: PostgresResource, topic_name: str) -> Site:
    kafka.ensure_topic(TopicSpec(topic_name, PARTITIONS, 1, 3_600_000))
    return Site(kafka, migrated, topic_name)


@pytest.fixture
def landed(site: Site) -> Site:
    """Both partitions hold events, of which the last replaces the first; all is as it should be."""
    for partition in range(PARTITIONS):
        ids = [f"p{partition}-{number}" for number in range(EVENTS)]
        site.send([event(event_id) for event_id in [*ids, ids[0]]], partition)
    return site


def places(report: DeepAuditReport) -> list[tuple[Kind, int, int]]:
    return [(finding.kind, finding.partition, finding.offset) for finding in report.findings]


def test_a_sound_table_gives_no_finding(landed: Site) -> None:
    report = landed.audit(DeepAuditLimits(section_offsets=700))
    assert report.is_clean
    assert (report.records, report.valid) == ((EVENTS + 1) * PARTITIONS, (EVENTS + 1) * PARTITIONS)
    assert (report.superseded, report.rows, report.gone) == (PARTITIONS, EVENTS * PARTITIONS, 0)
    assert set(report.seconds) == {"read", "validate", "rows", "compare", "look_up"}
    with landed.postgres.connect("reader") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id, topic, records, rows, counts, ranges, finished_at >= started_at FROM deep_audits")
        assert cursor.fetchall() == [
            (
                report.audit_id,
                landed.topic,
                report.records,
                report.rows,
                {},
                {"0": [0, EVENTS + 1], "1": [0, EVENTS + 1]},
                True,
            )
        ]


@pytest.mark.parametrize(
    ("statement", "findings"),
    [
        ("UPDATE events SET location = 'x' WHERE event_id = 'p0-7'", [(Kind.ALTERED, 0, 7)]),
        ("UPDATE events SET user_name = 'x' WHERE event_id = 'p1-1199'", [(Kind.ALTERED, 1, 1199)]),
        ("UPDATE events SET produced_at = now() WHERE event_id = 'p1-5'", [(Kind.ALTERED, 1, 5)]),
        ("UPDATE events SET produced_at = NULL WHERE event_id = 'p1-5'", [(Kind.ALTERED, 1, 5)]),
        (
            "UPDATE events SET event_id = 'x' WHERE event_id = 'p0-7'",
            [(Kind.WRONG_ROW, 0, 7), (Kind.LOST, 0, 7)],
        ),
        (
            "UPDATE events SET kafka_offset = 6 WHERE event_id = 'p0-7'",
            [(Kind.PHANTOM, 0, 6), (Kind.LOST, 0, 7)],
        ),
        ("DELETE FROM events WHERE event_id = 'p0-1000'", [(Kind.LOST, 0, 1000)]),
        # The id's first record was superseded by its last, and neither has a row now.
        ("DELETE FROM events WHERE event_id = 'p0-0'", [(Kind.LOST, 0, 0), (Kind.LOST, 0, EVENTS)]),
        (
            "ALTER TABLE events DROP CONSTRAINT events_event_id_key; INSERT INTO events (event_id, user_name, location,"
            " kafka_partition, kafka_offset, produced_at) SELECT event_id, user_name, location, kafka_partition,"
            " kafka_offset, produced_at FROM events WHERE event_id = 'p1-3'",
            [(Kind.PHANTOM, 1, 3)],
        ),
    ],
)
def test_each_sabotage_of_a_row_is_named(landed: Site, statement: str, findings: list[tuple[Kind, int, int]]) -> None:
    landed.sabotage(statement)
    report = landed.audit(DeepAuditLimits(section_offsets=900))
    assert sorted(places(report)) == sorted(findings)
    assert sorted(landed.stored(report)) == sorted((kind.value, *place) for kind, *place in findings)


def test_parts_of_invalid_records_that_landed_are_named(site: Site) -> None:
    site.send([event("a"), b"[" + event("b") + b"," + event("c") + b"]", event("d") + event("e")])
    site.send([event("f", location="x\\ud800")])
    names = {"b": 1, "c": 1, "d": 2, "f": 3}
    site.land([(EventRow(name, "ann", "São Paulo"), 0, offset) for name, offset in names.items()])
    report = site.audit()
    assert sorted(places(report)) == [(Kind.INVALID_LANDED, 0, offset) for offset in (1, 1, 2, 3)]
    assert {f.offset: f.expected.split()[2] for f in report.findings} == {
        1: "not_an_object",
        2: "trailing_bytes",
        3: "lone_surrogate",
    }


def test_a_row_of_an_earlier_record_is_a_loss(site: Site) -> None:
    site.send([event("a", location="Rome")])
    site.send([event("a", location="Oslo")], land=False)
    (finding,) = site.audit().findings
    assert (finding.kind, finding.offset) == (Kind.LOST, 1)
    assert '"location": "Rome"' in finding.found


def test_an_id_sent_to_two_partitions_is_no_finding(site: Site) -> None:
    site.send([event("a", location="Rome")], 0)
    site.send([event("a", location="Oslo")], 1)
    report = site.audit()
    assert report.is_clean
    assert report.superseded == 1


def test_dead_letters_are_compared(site: Site) -> None:
    site.send([b"{bad", b"{worse", None, event("a"), b"{bad"])
    for offset, key, value in [(0, b"key", b"{bad"), (1, b"key", b"{WORSE"), (2, b"key", None), (3, b"key", b"")]:
        site.sabotage(LETTER, "auditor", (site.topic, 0, offset, key, value))
    report = site.audit()
    assert places(report) == [(Kind.LETTER_DIFFERS, 0, 1), (Kind.LETTER_DIFFERS, 0, 3)]
    assert report.valid == 1


def test_findings_are_counted_exactly_and_kept_in_part(landed: Site) -> None:
    landed.sabotage("UPDATE events SET location = 'x'")
    report = landed.audit(DeepAuditLimits(stored_per_kind=50, reported_per_kind=3))
    assert report.counts == {Kind.ALTERED: EVENTS * PARTITIONS}
    assert len(report.findings) == 3
    assert len(landed.stored(report)) == 50


def test_a_chosen_range_is_judged_alone(landed: Site) -> None:
    landed.sabotage("UPDATE events SET location = 'x' WHERE kafka_offset IN (99, 100, 199, 200)")
    report = landed.audit(chosen={1: OffsetRange(100, 200)})
    assert report.records == 100
    assert sorted(places(report)) == [(Kind.ALTERED, 1, 100), (Kind.ALTERED, 1, 199)]


def test_deleted_records_are_gone_and_their_rows_are_not_judged(landed: Site) -> None:
    admin = AdminClient({"bootstrap.servers": landed.kafka.bootstrap_servers})
    retained = landed.kafka.offsets(landed.topic)
    deleted = admin.delete_records([TopicPartition(landed.topic, 0, 500)])
    assert [future.result().low_watermark for future in deleted.values()] == [500]
    landed.sabotage("UPDATE events SET location = 'x' WHERE kafka_offset IN (499, 500)")
    report = run_deep_audit(landed.kafka, landed.postgres, landed.topic, retained)
    assert report.gone == 500
    assert sorted(places(report)) == [(Kind.ALTERED, 0, 500), (Kind.ALTERED, 1, 499), (Kind.ALTERED, 1, 500)]


def test_a_row_at_an_offset_without_record_is_a_phantom(site: Site) -> None:
    producer = Producer({"bootstrap.servers": site.kafka.bootstrap_servers, "transactional.id": site.topic})
    producer.init_transactions()
    for number in range(3):  # each commit leaves a control record, which takes an offset
        producer.begin_transaction()
        producer.produce(site.topic, event(f"t{number}"), b"key", 0, timestamp=AT_MS)
        producer.commit_transaction()
    site.land([(EventRow(f"t{number}", "ann", "São Paulo"), 0, 2 * number) for number in range(3)])
    assert site.audit().is_clean
    site.land([(EventRow("ghost", "ann", "São Paulo"), 0, 3)])
    report = site.audit()
    assert places(report) == [(Kind.PHANTOM, 0, 3)]
    assert (report.records, report.gone) == (3, 0)


def test_large_records_are_read(site: Site) -> None:
    site.send([event(f"big{n}")[:-1] + b',"note":"' + b"x" * 1_000_000 + b'"}' for n in range(100)])
    report = site.audit()
    assert report.is_clean
    assert report.valid == 100


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda site: site.sabotage("DROP TABLE deep_audits CASCADE"), ConfigurationError),
        (lambda site: setattr(site, "kafka", KafkaResource(bootstrap_servers="127.0.0.1:1")), TransientError),
    ],
    ids=["no table", "no broker"],
)
def test_what_cannot_be_read_is_told(
    site: Site, damage: Callable[[Site], None], error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    site.send([event("a")])
    ranges = site.kafka.offsets(site.topic)
    damage(site)
    monkeypatch.setattr("orchestration.ledger.deep_records.STALL_TIMEOUT_S", 1.0)
    with pytest.raises(error):
        run_deep_audit(site.kafka, site.postgres, site.topic, ranges)
