"""Passes of the ledger on the real broker and database; the Flink job's part is played by the tests."""

from __future__ import annotations

import json
import threading

import psycopg2.errors
import pytest

from contract.cases import CASES
from contract.event import EventRow, Reason
from orchestration.errors import ConfigurationError, TransientError
from orchestration.ledger.accounting import Fate
from orchestration.ledger.audit import Limits, run_pass
from orchestration.ledger.offsets import OffsetRange, OffsetSet
from orchestration.ledger.reader import RecordReader
from orchestration.ledger.statements import statement
from tests.fixtures.ledger import Scene, event

BAD = b"{bad"


def offsets(*numbers: int) -> OffsetSet:
    return OffsetSet.of_offsets(numbers)


def test_each_offset_has_one_fate(scene: Scene) -> None:
    scene.run_job(event("a"), BAD, event("b"), event("a"), None)
    scene.run_job(event("c"), partition=1)
    report = scene.audit()
    assert report.ran
    assert report.is_complete
    assert report.is_balanced
    assert report.partitions[0].audited == OffsetRange(0, 5)
    assert report.partitions[0].counts == {
        Fate.LANDED: 2, Fate.DEAD: 2, Fate.SUPERSEDED: 1, Fate.GONE: 0, Fate.LOST: 0,
    }  # fmt: skip
    assert report.partitions[1].counts[Fate.LANDED] == 1
    assert report.total(Fate.LANDED) == 3
    assert scene.fates() == {Fate.LANDED: 2, Fate.DEAD: 2, Fate.SUPERSEDED: 1}
    assert scene.rows("SELECT superseded_offsets::text, dead_offsets::text FROM ledger WHERE kafka_partition = 0") == [
        ("{[0,1)}", "{[1,2),[4,5)}")
    ]


def test_dead_letters_keep_the_whole_poison_set(scene: Scene) -> None:
    poison = [case for case in CASES if not isinstance(case.expected, EventRow) and len(case.value or b"") < 1_000_000]
    scene.run_job(*(case.value for case in poison))
    report = scene.audit()
    assert report.partitions[0].counts[Fate.DEAD] == len(poison)
    letters = scene.rows("SELECT kafka_offset, reason, value FROM dead_letters ORDER BY kafka_offset")
    assert [(offset, reason) for offset, reason, _ in letters] == [
        (offset, case.expected.value) for offset, case in enumerate(poison) if isinstance(case.expected, Reason)
    ]
    assert [None if value is None else bytes(value) for *_, value in letters] == [case.value for case in poison]


def test_a_dead_letter_keeps_key_headers_and_time(scene: Scene) -> None:
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": scene.kafka.bootstrap_servers})
    headers: list[tuple[str, str | bytes | None]] = [("trace", b"\x00\xff"), ("none", None)]
    producer.produce(scene.topic, BAD, b"\x00key", 0, timestamp=1_767_225_600_123, headers=headers)
    assert producer.flush(10) == 0
    scene.audit(committed={0: 1})
    ((key, stored, produced_ms, detail),) = scene.rows(
        "SELECT key, headers, extract(EPOCH FROM produced_at) * 1000, detail FROM dead_letters"
    )
    assert bytes(key) == b"\x00key"
    assert stored == [["trace", "AP8="], ["none", None]]
    assert int(produced_ms) == 1_767_225_600_123
    assert detail == "not JSON at character 1 of 4"


def test_passes_go_on_where_the_last_one_ended(scene: Scene) -> None:
    scene.run_job(event("a"), BAD)
    scene.audit()
    assert scene.audit().partitions[0].audited == OffsetRange(2, 2)
    scene.run_job(event("b"), BAD)
    report = scene.audit()
    assert report.partitions[0].audited == OffsetRange(2, 4)
    assert report.partitions[0].counts[Fate.DEAD] == 1
    assert report.totals[0].counts[Fate.DEAD] == 2
    assert report.is_balanced


def test_only_what_the_job_has_committed_is_audited(scene: Scene) -> None:
    scene.produce(event("a"), event("b"), BAD)
    assert scene.audit(committed={0: 0}).totals == {}
    assert scene.audit(committed={}).partitions == {}
    scene.land("a", 0)
    report = scene.audit(committed={0: 1})
    assert report.totals[0].span == OffsetRange(0, 1)
    assert report.total(Fate.LOST) == 0


def test_a_lost_event_is_named_until_it_has_landed(scene: Scene) -> None:
    scene.run_job(event("a"), event("b"), event("c"))
    scene.execute("DELETE FROM events WHERE event_id = 'b'")
    report = scene.audit()
    assert report.lost == {0: offsets(1)}
    assert report.partitions[0].counts[Fate.LOST] == 1
    assert scene.audit().lost == {0: offsets(1)}
    scene.land("b", 1)
    healed = scene.audit()
    assert healed.lost == {}
    assert scene.fates() == {Fate.LANDED: 3}


def test_a_stale_row_does_not_supersede(scene: Scene) -> None:
    scene.run_job(event("a"), event("b"), event("a"))
    scene.land("a", 0)
    assert scene.audit().lost == {0: offsets(2)}
    scene.land("a", 2)
    assert scene.audit().lost == {}
    assert scene.fates() == {Fate.LANDED: 2, Fate.SUPERSEDED: 1}


def test_a_later_record_that_is_not_committed_yet_supersedes_too(scene: Scene) -> None:
    scene.run_job(event("a"))
    scene.produce(event("a"))
    scene.land("a", 1)
    assert scene.audit().partitions[0].counts[Fate.SUPERSEDED] == 1


def test_the_same_id_in_another_partition_supersedes(scene: Scene) -> None:
    scene.run_job(event("a"))
    scene.run_job(event("x"), event("a"), partition=1)
    report = scene.audit()
    assert report.partitions[0].counts[Fate.SUPERSEDED] == 1
    assert report.total(Fate.LOST) == 0


def test_a_recount_follows_later_duplicates(scene: Scene) -> None:
    scene.run_job(event("a"), event("b"))
    scene.audit()
    scene.run_job(event("a"))
    report = scene.audit()
    assert report.partitions[0].superseded_since == 1
    assert report.total(Fate.LOST) == 0
    assert scene.fates() == {Fate.LANDED: 2, Fate.SUPERSEDED: 1}
    assert report.is_balanced


def test_a_row_deleted_after_its_audit_is_lost(scene: Scene) -> None:
    scene.run_job(*(event(f"e{number}") for number in range(50)))
    assert scene.audit().total(Fate.LOST) == 0
    scene.execute("DELETE FROM events WHERE kafka_offset IN (7, 8, 31)")
    report = scene.audit()
    assert report.lost == {0: OffsetSet((OffsetRange(7, 9), OffsetRange(31, 32)))}
    assert report.is_balanced


def test_a_deleted_dead_letter_is_noticed_and_restored(scene: Scene) -> None:
    scene.run_job(event("a"), BAD, BAD)
    assert not scene.audit().partitions[0].restored
    scene.execute("DELETE FROM dead_letters WHERE kafka_offset = 2")
    report = scene.audit()
    assert report.partitions[0].restored == offsets(2)
    assert scene.rows("SELECT kafka_offset, restored_at IS NULL FROM dead_letters ORDER BY 1") == [
        (1, True),
        (2, False),
    ]
    assert not scene.audit().partitions[0].restored


def test_an_invalid_record_that_landed_counts_as_landed_until_it_is_superseded(scene: Scene) -> None:
    scene.run_job(event("a", location="\ud800"))
    scene.land("a", 0)
    assert scene.audit().partitions[0].counts[Fate.LANDED] == 1
    scene.run_job(event("a"))
    report = scene.audit()
    assert not report.partitions[0].restored
    assert scene.fates() == {Fate.LANDED: 1, Fate.DEAD: 1}


def test_a_duplicated_row_counts_once(scene: Scene) -> None:
    scene.run_job(event("a"), event("b"))
    scene.execute("ALTER TABLE events DROP CONSTRAINT events_event_id_key")
    scene.execute("INSERT INTO events SELECT * FROM (SELECT nextval('events_id_seq'), event_id, user_name, location,"
                  " kafka_partition, kafka_offset FROM events) AS copies")  # fmt: skip
    assert scene.audit().partitions[0].counts[Fate.LANDED] == 2


def test_records_deleted_before_the_job_read_them_are_gone(scene: Scene) -> None:
    scene.run_job(event("a"), event("b"))
    scene.audit()
    scene.produce(*(event(f"e{number}") for number in range(10)))
    scene.delete_head(9)
    scene.run_job(event("z"))
    for offset in (9, 10, 11):
        scene.land(f"e{offset - 2}", offset)
    report = scene.audit()
    assert report.gone == {0: OffsetSet((OffsetRange(2, 9),))}
    assert report.partitions[0].counts == {
        Fate.LANDED: 4, Fate.DEAD: 0, Fate.SUPERSEDED: 0, Fate.GONE: 7, Fate.LOST: 0,
    }  # fmt: skip
    assert report.is_balanced
    assert scene.audit().gone == report.gone


def test_what_retention_takes_after_the_audit_keeps_its_verdict(scene: Scene) -> None:
    scene.run_job(event("a"), BAD, event("b"), event("c"))
    scene.execute("DELETE FROM events WHERE event_id = 'b'")
    scene.audit()
    scene.delete_head(4)
    scene.run_job(event("a"))
    report = scene.audit()
    assert report.gone == {}
    assert report.lost == {0: offsets(2)}
    assert report.is_balanced


def test_a_ledger_begins_where_the_log_begins(scene: Scene) -> None:
    scene.run_job(event("a"), event("b"), event("c"))
    scene.delete_head(2)
    assert scene.audit().totals[0].span == OffsetRange(2, 3)


def test_a_rewound_job_is_waited_for(scene: Scene) -> None:
    scene.run_job(event("a"), event("b"), event("a"))
    scene.audit()
    scene.land("a", 0)
    report = scene.audit(committed={0: 1})
    assert report.partitions[0].rewound == 2
    assert report.total(Fate.LOST) == 0
    scene.land("a", 2)
    report = scene.audit()
    assert report.partitions[0].rewound == 0
    assert report.total(Fate.LOST) == 0
    assert report.totals[0].span == OffsetRange(0, 3)


def test_a_topic_made_anew_is_refused(scene: Scene) -> None:
    scene.run_job(event("a"), event("b"))
    scene.audit()
    scene.execute("UPDATE ledger SET to_offset = 9, landed = 9")
    with pytest.raises(ConfigurationError, match=r"ends at offset 2 and was audited up to 9.*PI3_KAFKA_TOPIC"):
        scene.audit()


@pytest.mark.parametrize("chunk_offsets", [1, 3, 1_000])
def test_the_size_of_chunks_does_not_show_in_the_sums(scene: Scene, chunk_offsets: int) -> None:
    values = [event(f"e{number % 17}") if number % 5 else BAD for number in range(60)]
    scene.run_job(*values)
    scene.run_job(*(event(f"x{number}") for number in range(10)), partition=1)
    report = scene.audit(Limits(chunk_offsets=chunk_offsets, recount_budget_s=0))
    assert report.is_complete
    assert report.is_balanced
    assert scene.fates() == {Fate.LANDED: 17, Fate.DEAD: 12, Fate.SUPERSEDED: 31}
    assert len(scene.rows("SELECT FROM ledger WHERE kafka_partition = 0")) == -(-60 // chunk_offsets)


def test_recounts_merge_small_entries(scene: Scene) -> None:
    for number in range(5):
        scene.run_job(event(f"e{number}"), BAD)
        scene.audit(Limits(recount_budget_s=0))
    assert len(scene.rows("SELECT FROM ledger")) == 5
    report = scene.audit(Limits(chunk_offsets=6))
    assert report.partitions[0].recounted == 10
    assert scene.rows("SELECT from_offset, to_offset, landed, dead FROM ledger ORDER BY 1") == [
        (0, 6, 3, 3),
        (6, 10, 2, 2),
    ]


def test_a_pass_out_of_time_is_cut_off_and_the_next_goes_on(scene: Scene) -> None:
    scene.run_job(*(BAD for _ in range(3_000)))
    none_left = Limits(time_budget_s=0, recount_budget_s=0)
    first = scene.audit(none_left)
    assert not first.is_complete
    assert first.is_balanced
    assert 0 < first.partitions[0].audited.end < 3_000
    reports = [first]
    while not reports[-1].is_complete:
        reports.append(scene.audit(none_left))
        assert reports[-1].partitions[0].audited.begin == reports[-2].partitions[0].audited.end
    assert scene.fates() == {Fate.DEAD: 3_000}


def test_a_recount_out_of_time_keeps_what_it_did_not_reach(scene: Scene) -> None:
    scene.run_job(*(event(f"e{number}") for number in range(1_000)))
    scene.audit()
    scene.execute("DELETE FROM events")
    report = scene.audit(Limits(time_budget_s=0, recount_budget_s=0.001))
    assert report.is_balanced
    assert 0 < report.total(Fate.LOST) < 1_000
    assert scene.audit().lost == {0: OffsetSet((OffsetRange(0, 1_000),))}


def test_a_second_pass_at_once_does_nothing(scene: Scene) -> None:
    scene.run_job(event("a"), BAD)
    with scene.postgres.connect("auditor") as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_lock(hashtextextended(concat_ws('.', 'pi3.ledger', current_schema(), %s), 0))",
            (scene.topic,),
        )
        report = scene.audit()
        assert not report.ran
        assert not report.is_complete
        assert not report.partitions
        assert not report.totals
        assert scene.rows("SELECT FROM ledger") == []
    assert scene.audit().ran


def test_passes_at_once_account_for_each_offset_once(scene: Scene) -> None:
    scene.run_job(*(event(f"e{number}") if number % 3 else BAD for number in range(600)))
    limits = Limits(chunk_offsets=50)
    threads = [threading.Thread(target=scene.audit, args=(limits,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = scene.audit()
    assert report.is_balanced
    assert scene.fates() == {Fate.LANDED: 400, Fate.DEAD: 200}


def test_an_audit_while_the_job_overwrites_loses_nothing(scene: Scene) -> None:
    """Rows of the audited range are superseded by records beyond the committed offset, all the time."""
    scene.run_job(*(event(f"e{number}") for number in range(300)))
    scene.produce(*(event(f"e{number}") for number in range(300)))

    def overwrite() -> None:
        for number in range(300):
            scene.land(f"e{number}", 300 + number)

    overwriting = threading.Thread(target=overwrite)
    overwriting.start()
    while overwriting.is_alive():
        report = scene.audit(Limits(chunk_offsets=20))
        assert report.total(Fate.LOST) == 0
        assert report.is_balanced
    overwriting.join()
    scene.audit()
    assert scene.fates() == {Fate.SUPERSEDED: 300}


def test_an_interrupted_pass_leaves_the_ledger_consistent(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.run_job(*(BAD for _ in range(100)))
    original = RecordReader.read
    calls = []

    def failing(self: RecordReader, partition: int, wanted: OffsetSet) -> object:
        calls.append(wanted)
        if len(calls) == 3:
            raise TransientError("the broker went away")
        return original(self, partition, wanted)

    monkeypatch.setattr(RecordReader, "read", failing)
    with pytest.raises(TransientError):
        scene.audit(Limits(chunk_offsets=20))
    assert scene.fates() == {Fate.DEAD: 40}
    report = scene.audit(Limits(chunk_offsets=20))
    assert report.partitions[0].audited == OffsetRange(40, 100)
    assert scene.fates() == {Fate.DEAD: 100}


def test_the_database_refuses_an_entry_that_does_not_balance(scene: Scene) -> None:
    scene.run_job(event("a"))
    scene.audit()
    with pytest.raises(psycopg2.errors.CheckViolation, match="ledger_balances"):
        scene.execute("UPDATE ledger SET landed = 2")


@pytest.mark.parametrize("table", ["dead_letters", "ledger"])
@pytest.mark.parametrize("statement", ["SELECT FROM {}", "DELETE FROM {}", "INSERT INTO {} DEFAULT VALUES"])
def test_the_job_cannot_touch_the_ledger(scene: Scene, table: str, statement: str) -> None:
    with (
        pytest.raises(ConfigurationError, match=f"permission denied for table {table}"),
        scene.postgres.connect("writer") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table))


def test_the_auditor_cannot_touch_the_events(scene: Scene) -> None:
    with (
        pytest.raises(ConfigurationError, match="permission denied for table events"),
        scene.postgres.connect("auditor") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("DELETE FROM events")


def test_a_database_out_of_reach_is_transient(scene: Scene) -> None:
    from dataclasses import replace

    gone = replace(scene.postgres, port=1)
    with (
        RecordReader(scene.kafka.brokers, scene.topic) as reader,
        pytest.raises(TransientError, match="out of reach"),
    ):
        run_pass(gone, reader, {0: 1})


def test_landed_offsets_are_found_by_the_index_of_places(scene: Scene) -> None:
    parameters = {"partition": 1, "begin": 10, "end": 20}
    with scene.postgres.connect("auditor") as connection, connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute("EXPLAIN " + statement("missing"), parameters)
        assert "events_kafka_place" in str(cursor.fetchall())


def test_large_dead_letters_are_kept_whole(scene: Scene) -> None:
    value = json.dumps({"note": "x" * 900_000}).encode()
    scene.run_job(*[value] * 12)
    scene.audit()
    assert scene.rows("SELECT reason, length(value), count(*) FROM dead_letters GROUP BY 1, 2") == [
        ("missing_field", len(value), 12)
    ]
