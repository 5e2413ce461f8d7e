"""What the suite makes of a producer's journal."""

from __future__ import annotations

from base64 import b64encode

import pytest

from producer.generator import EventGenerator
from producer.journal import digest
from tests.faults.journal import Sent, parse

HEAD = "h 1 7\n"
EVENT = b'{"event_id":"a","user_name":"u","location":"l"}'
EVENT_DIGEST = digest("a", "u", "l")


def malformed(value: bytes) -> str:
    return f"m {b64encode(value).decode()}\n"


@pytest.mark.parametrize(
    ("lines", "sent"),
    [
        (["s a d1\n", "a 0 2 17\n"], [Sent("a", "d1", 2, 17, True)]),
        (["s a d1\n", "s b d2\n", "a 1 0 3\n"], [Sent("a", "d1", None, None, False), Sent("b", "d2", 0, 3, True)]),
        (["s a d1\n", "f 0 _MSG_TIMED_OUT\n"], [Sent("a", "d1", None, None, False)]),
        (["m -\n", "m *\n", "s a d1\n", "a 2 0 9\n"], [Sent("a", "d1", 0, 9, True)]),
        (["m -\n", "a 0 0 1\n"], []),
        ([malformed(b"{bad"), "a 0 0 1\n"], []),
        ([malformed(EVENT + b";"), "a 0 0 1\n"], []),
        ([malformed(b"[" + EVENT + b"]")], []),
        (["s a d1\n", "a 0 2 1"], [Sent("a", "d1", None, None, False)]),
        (["s a d1\n", "s b "], [Sent("a", "d1", None, None, False)]),
        (
            ["s a d1\n", "s a d2\n", "a 0 0 1\n", "a 1 0 2\n"],
            [Sent("a", "d1", 0, 1, True), Sent("a", "d2", 0, 2, True)],
        ),
        ([], []),
    ],
    ids=[
        "acknowledged", "unanswered", "failed", "no value known", "tombstone", "broken", "bytes after the event",
        "array of events", "torn acknowledgement", "torn event", "two revisions", "killed at once",
    ],
)  # fmt: skip
def test_rows_that_records_may_have_become(lines: list[str], sent: list[Sent]) -> None:
    journal = parse([HEAD, *lines])
    assert journal.sent == sent
    assert journal.acknowledged == sum(row.required for row in sent)


def test_ids_of_the_producer_are_told_from_others() -> None:
    prefix = parse([HEAD]).id_prefix
    assert EventGenerator(7).event_id(123).startswith(prefix)
    assert not EventGenerator(8).event_id(123).startswith(prefix)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "it begins with None"),
        (["h 2 7\n"], "no journal of version 1"),
        ([HEAD, "s a d\n", "a 1 0 0\n"], "record 1 was acknowledged and never sent"),
    ],
)
def test_what_is_no_journal_is_refused(lines: list[str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(lines)
