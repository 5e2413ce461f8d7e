"""What the journal holds after each thing that can become of a record."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from producer.counts import Counts
from producer.errors import UsageError
from producer.generator import EventGenerator
from producer.journal import Journal, digest
from producer.publisher import ClientErrors, Publisher
from producer.record import Kind, Record
from tests.unit.test_producer_publisher import ScriptedClient

GOOD = Record(b'{"event_id":"a","user_name":"Zo\xc3\xab","location":"Oslo"}', b"a")
BAD = Record(b"{bad", None, Kind.MALFORMED)


def journal_of(tmp_path: Path, client: ScriptedClient, *records: Record) -> list[str]:
    path = tmp_path / "deep" / "journal"
    publisher = Publisher(client, "t", Counts(), ClientErrors(), lambda _: None, journal=Journal(path, 7))
    for record in records:
        publisher.send(record)
    client.poll(0)
    return path.read_text().splitlines()


def test_each_record_is_told_of_before_it_is_handed_over_and_when_it_is_acknowledged(tmp_path: Path) -> None:
    lines = journal_of(tmp_path, ScriptedClient(), GOOD, BAD, Record(None, None, Kind.MALFORMED))
    assert lines[:4] == ["h 1 7", f"s a {digest('a', 'Zoë', 'Oslo')}", lines[2], "m -"]
    assert b64decode(lines[2].removeprefix("m ")) == b"{bad"
    assert lines[4:] == ["a 0 0 0", "a 1 0 1", "a 2 0 2"]


def test_what_is_not_answered_is_handed_over_and_no_more(tmp_path: Path) -> None:
    client = ScriptedClient()
    client.answers = False
    assert journal_of(tmp_path, client, GOOD)[1:] == [f"s a {digest('a', 'Zoë', 'Oslo')}"]


def test_a_record_that_waits_for_room_is_told_of_once(tmp_path: Path) -> None:
    client = ScriptedClient()
    client.refuse = [BufferError(), BufferError()]
    assert [line[0] for line in journal_of(tmp_path, client, GOOD)] == ["h", "s", "a"]


def test_a_failed_record_names_its_error(tmp_path: Path) -> None:
    client = ScriptedClient(delivery_error=KafkaError(KafkaError._MSG_TIMED_OUT))
    assert journal_of(tmp_path, client, GOOD)[-1] == "f 0 _MSG_TIMED_OUT"


def test_a_refused_record_has_no_answer_and_the_next_one_its_own_number(tmp_path: Path) -> None:
    client = ScriptedClient()
    client.refuse = [KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))]
    lines = journal_of(tmp_path, client, Record(b"x" * 70_000, None, Kind.MALFORMED), GOOD)
    assert (lines[1], lines[-1]) == ("m *", "a 1 0 0")


def test_every_generated_event_can_be_told_of(tmp_path: Path) -> None:
    generator = EventGenerator(3)
    event = generator.event(5, 0, revision=2)
    line = journal_of(tmp_path, ScriptedClient(), Record(event.value, event.key, Kind.DUPLICATE))[1]
    assert line.startswith(f"s {generator.event_id(5)} ")


def test_a_journal_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text("evidence")
    with pytest.raises(UsageError, match=r"--journal .* cannot be begun \(File exists\): choose another path"):
        Journal(path, 1)
    assert path.read_text() == "evidence"
