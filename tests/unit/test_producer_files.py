from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.event import MAX_RECORD_BYTES
from producer import files
from producer.errors import StopRequested, UsageError
from producer.files import FileRecords
from producer.record import Kind, Record, key_of

ReadFile = Callable[[bytes, str], list[Record]]


@contextmanager
def opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def no_wait() -> None:
    raise AssertionError("a regular file never waits")


@pytest.fixture
def read_file(tmp_path: Path) -> ReadFile:
    def read(content: bytes, file_format: str) -> list[Record]:
        path = tmp_path / "input"
        path.write_bytes(content)
        with opened(path) as descriptor:
            return list(FileRecords(descriptor, file_format, no_wait))

    return read


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b"", []),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a\r", b"b\r"]),
        (b"\n\na\n", [b"", b"", b"a"]),
        (b"\xef\xbb\xbf{}\n", [b"\xef\xbb\xbf{}"]),
        (b"\xff\xfe\n{bad\n\x00\n", [b"\xff\xfe", b"{bad", b"\x00"]),
        (b"x" * 200_000 + b"\ny\n", [b"x" * 200_000, b"y"]),
    ],
)
def test_ndjson_lines_are_sent_as_they_are(read_file: ReadFile, content: bytes, values: list[bytes]) -> None:
    assert [record.value for record in read_file(content, "ndjson")] == values


def test_ndjson_gives_back_any_file(read_file: ReadFile) -> None:
    content = bytes(range(256)) * 1_000
    values = [record.value or b"" for record in read_file(content, "ndjson")]
    assert b"\n".join(values) == content


def test_an_endless_line_is_kept_just_long_enough_to_be_refused(read_file: ReadFile) -> None:
    first, second = read_file(b"x" * (3 * MAX_RECORD_BYTES) + b"\n{}\n", "ndjson")
    assert MAX_RECORD_BYTES < len(first.value or b"") < MAX_RECORD_BYTES + 100_000
    assert second.value == b"{}"


def test_repeated_ids_are_duplicates(read_file: ReadFile) -> None:
    records = read_file(b'{"event_id":"a"}\n{"event_id":"b"}\n{"event_id":"a","x":1}\n{}\n{}\n', "ndjson")
    assert [record.kind for record in records] == [Kind.PLAIN, Kind.PLAIN, Kind.DUPLICATE, Kind.PLAIN, Kind.PLAIN]
    assert [record.key for record in records] == [b"a", b"b", b"a", None, None]


def test_it_says_when_not_all_ids_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_MAX_REMEMBERED_IDS", 2)
    path = tmp_path / "input"
    path.write_bytes(b"".join(b'{"event_id":%d}\n' % number for number in (1, 2, 1)))
    with opened(path) as descriptor:
        records = FileRecords(descriptor, "ndjson", no_wait)
        assert [record.kind for record in records] == [Kind.PLAIN, Kind.PLAIN, Kind.DUPLICATE]
        assert records.duplicates_exact
    path.write_bytes(b"".join(b'{"event_id":%d}\n' % number for number in (1, 2, 3)))
    with opened(path) as descriptor:
        records = FileRecords(descriptor, "ndjson", no_wait)
        assert len(list(records)) == 3
        assert not records.duplicates_exact


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'{"event_id":"a","x":[1]}', b"a"),
        ('{"event_id":"é"}'.encode(), "é".encode()),
        (rb'{"event_id":"\u00e9\n"}', "é\n".encode()),
        (b'{"event_id":12.50}', b"12.50"),
        (b'{"event_id":true}', b"true"),
        (b'{"event_id":null}', None),
        (b'{"event_id":{"a":1}}', None),
        (b'{"event_id":[1]}', None),
        (rb'{"event_id":"\ud800"}', None),
        (b'{"event_id":"\xff"}', None),
        (b'{"event_id":"a"} x', None),
        (b'{"event_id":"a","x":' + b"[" * 5_000, None),
        (b"[]", None),
        (b"", None),
    ],
)
def test_key(value: bytes, key: bytes | None) -> None:
    assert key_of(value) == key


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b"", []),
        (b"event_id,x\n", []),
        (b"event_id,x\na,1\n", [b'{"event_id":"a","x":"1"}']),
        (b"\xef\xbb\xbfevent_id,x\r\na,1\r\n", [b'{"event_id":"a","x":"1"}']),
        (b'event_id,x\na,"1,""2""\n3"\n', [b'{"event_id":"a","x":"1,\\"2\\"\\n3"}']),
        (b"event_id,x\na\n", [b'{"event_id":"a"}']),
        (b"event_id,x\na,1,2,3\n", [b'{"event_id":"a","x":"1","surplus":["2","3"]}']),
        (b"event_id,x\n\na,1\n", [b"", b'{"event_id":"a","x":"1"}']),
        (b"event_id,x\na,\xff\n", [b'{"event_id":"a","x":"\xff"}']),
        ("event_id,x\né,😀\n".encode(), ['{"event_id":"é","x":"😀"}'.encode()]),
        (b'event_id,x\na,"open\n', [b'{"event_id":"a","x":"open\\n"}']),
    ],
)
def test_csv_rows_become_objects(read_file: ReadFile, content: bytes, values: list[bytes]) -> None:
    assert [record.value for record in read_file(content, "csv")] == values


def test_a_csv_row_the_reader_refuses_is_sent_as_it_is(read_file: ReadFile) -> None:
    long = b"x" * (2 * MAX_RECORD_BYTES + 1)
    values = [record.value for record in read_file(b"event_id,x\na," + long + b"\nb,1\n", "csv")]
    assert values == [b"a," + long, b'{"event_id":"b","x":"1"}']


def test_a_csv_without_header_is_refused(read_file: ReadFile) -> None:
    with pytest.raises(UsageError, match=r"first row of the CSV must name the fields, but it is 'a,1'"):
        read_file(b"a,1\nb,2\n", "csv")


@given(st.lists(st.lists(st.text(alphabet=st.characters(exclude_characters="\0", codec="utf-8")))))
def test_an_object_holds_all_of_its_row(rows: list[list[str]]) -> None:
    for row in rows:
        members = json.loads(files._as_object(["event_id", "user_name"], row))
        assert [*(members.get(name) for name in ("event_id", "user_name") if name in members)] == row[:2]
        assert members.get("surplus", []) == row[2:]


def test_a_quiet_pipe_waits_and_can_be_stopped() -> None:
    reading, writing = os.pipe()
    waits: list[float] = []

    def wait() -> None:
        waits.append(time.monotonic())
        if len(waits) == 2:
            raise StopRequested

    os.write(writing, b'{"event_id":"a"}\npart')
    records = iter(FileRecords(reading, "ndjson", wait))
    assert next(records).key == b"a"
    with pytest.raises(StopRequested):
        next(records)
    assert len(waits) == 2
    os.close(reading)
    os.close(writing)


def test_a_slow_pipe_is_read_to_its_end() -> None:
    reading, writing = os.pipe()

    def write() -> None:
        for part in (b"on", b"e\ntw", b"o\n", b"three"):
            os.write(writing, part)
            time.sleep(0.01)
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    assert [record.value for record in FileRecords(reading, "ndjson", lambda: None)] == [b"one", b"two", b"three"]
    thread.join()
    os.close(reading)
