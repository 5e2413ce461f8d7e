"""The doctor's decisions, and how findings, values and spans are shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import pytest

from orchestration.errors import ConfigurationError, TransientError
from orchestration.pi3 import doctor, findings
from orchestration.pi3.findings import GIB, PRIVILEGES, Finding, State
from orchestration.pi3.output import show, show_line
from orchestration.pi3.records import becomes, wanted
from orchestration.resources.topics import OffsetRange
from orchestration.text import as_text

SPANS = {0: OffsetRange(5, 20), 1: OffsetRange(0, 0)}


@pytest.mark.parametrize(
    ("finding", "state", "words"),
    [
        (findings.python((3, 11), ((3, 10), (3, 11))), State.OK, "3.11"),
        (findings.python((3, 9), ((3, 10), (3, 11))), State.ERROR, "3.9"),
        (findings.disk(4 * GIB, 2 * GIB), State.OK, "4.0 GiB free"),
        (findings.disk(3 * GIB, 2 * GIB), State.WARN, "3.0 GiB free"),
        (findings.disk(GIB, 2 * GIB), State.ERROR, "1.0 GiB free"),
        (findings.ports({"kafka": 9092}, ["kafka"], running=True), State.OK, "kafka 9092"),
        (findings.ports({"kafka": 9092}, [], running=True), State.ERROR, "nobody listens: kafka 9092"),
        (findings.ports({"kafka": 9092}, ["kafka"], running=False), State.ERROR, "taken: kafka 9092"),
        (findings.ports({}, [], running=False), State.OK, "none is fixed"),
        (findings.drift("topic", (), "f"), State.OK, "as wanted"),
        (findings.drift("topic", ("a", "b"), "f"), State.ERROR, "a; b"),
        (findings.clock(-1.96), State.OK, "Postgres is 2.0 s behind"),
        (findings.clock(7.0), State.WARN, "Postgres is 7.0 s ahead"),
    ],
)
def test_findings(finding: Finding, state: State, words: str) -> None:
    assert (finding.state, finding.found) == (state, words)
    assert bool(finding.fix) == (state is not State.OK)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({}, [("supervisor", State.WARN)]),
        ({"kafka": "RUNNING"}, [("supervisor", State.OK)]),
        ({"kafka": "BACKOFF", "postgres": "RUNNING"}, [("server kafka", State.ERROR)]),
    ],
)
def test_supervised_servers(states: Mapping[str, str], expected: list[tuple[str, State]]) -> None:
    assert [(finding.what, finding.state) for finding in findings.supervised(states)] == expected


def test_privileges_too_few_and_too_many() -> None:
    as_wanted: list[bool | None] = [item.wanted for item in PRIVILEGES]
    assert findings.privileges(PRIVILEGES, as_wanted).state is State.OK
    turned = [not has for has in as_wanted]
    told = findings.privileges(PRIVILEGES, turned).found.split("; ")
    assert len(told) == len(PRIVILEGES)
    assert "writer lacks INSERT on events" in told
    assert "auditor has INSERT on events" in told
    absent = findings.privileges(PRIVILEGES, [None] * len(PRIVILEGES))
    assert "reader lacks SELECT on ledger" in absent.found


@pytest.mark.parametrize("error", [TransientError("no\nanswer"), ConfigurationError("no answer"), OSError("no answer")])
def test_an_error_is_a_finding(error: Exception) -> None:
    def look(_: object) -> list[Finding]:
        raise error

    (found,) = doctor.examined("kafka", look, None)  # type: ignore[arg-type]
    assert (found.state, found.what, found.fix) == (State.ERROR, "kafka", "no answer")


@pytest.mark.parametrize(
    ("offset", "partition", "expected"),
    [
        (None, None, {0: (5, 20), 1: (0, 0)}),
        (None, 0, {0: (5, 20)}),
        (0, 0, {0: (5, 20)}),
        (7, 0, {0: (7, 20)}),
        (99, 0, {0: (20, 20)}),
        (-3, None, {0: (17, 20), 1: (0, 0)}),
        (-99, 0, {0: (5, 20)}),
    ],
)
def test_what_is_consumed(offset: int | None, partition: int | None, expected: dict[int, tuple[int, int]]) -> None:
    assert {n: (s.begin, s.end) for n, s in wanted(SPANS, offset, partition).items()} == expected


def test_a_partition_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match="no partition 7: the topic has 0, 1"):
        wanted(SPANS, None, 7)


@pytest.mark.parametrize(
    ("message", "words"),
    [(b'{"event_id": "e", "user_name": "A", "location": "L"}', "event"), (b"{", "dead letter: ")],
)
def test_what_a_message_becomes(message: bytes, words: str) -> None:
    assert becomes(message).startswith(words)


@pytest.mark.parametrize(("value", "text"), [(b"", ""), ("é".encode(), "é"), (b"\xff\x00", "\\xff\x00")])
def test_bytes_as_text(value: bytes, text: str) -> None:
    assert as_text(value) == text


def test_tables_and_json_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    at = datetime(2026, 3, 1, tzinfo=timezone.utc)
    rows: list[dict[str, Any]] = [
        {
            "name": "[red]é\x1b[31m",
            "records": 1234567,
            "offset": 1234,
            "state": State.OK,
            "at": at,
            "yes": True,
            "none": None,
        }
    ]
    show({"things": rows, "nothing": []}, as_json=False)
    title, head, row = capsys.readouterr().out.splitlines()
    assert title.strip() == "things"
    assert head.split() == list(rows[0])
    assert row.split() == ["[red]é\\x1b[31m", "1,234,567", "1234", "ok", "2026-03-01T00:00:00+00:00", "yes", "-"]
    show({"things": rows, "nothing": []}, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["nothing"] == []
    assert told["things"][0] == rows[0] | {"state": "ok", "at": "2026-03-01T00:00:00+00:00"}


def test_a_line_of_a_stream_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    row = {"key": None, "value": "a\n\tb\x07"}
    show_line(row, as_json=False)
    show_line(row, as_json=True)
    plain, as_json = capsys.readouterr().out.splitlines()
    assert plain == "-\ta\\n\\tb\\x07"
    assert json.loads(as_json) == row
