"""What a redrive does with a letter, decided without servers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from orchestration.errors import ConfigurationError
from orchestration.ledger.redrive import (
    Fix,
    Left,
    LeftLetter,
    Letter,
    Outgoing,
    Selection,
    link,
    load_fix,
    prepare,
    without_newer,
)

GOOD = b'{"event_id":"e1","user_name":"u","location":"l"}'
BLANK = b'{"event_id":"e1","user_name":" ","location":"l"}'
LETTER = Letter((2, 17), "blank", b"old-key", BLANK, (("trace", b"abc"),), None, 0)


def repair(value: bytes, key: bytes | None) -> bytes | None:
    """A user's fixing function."""
    del key
    return json.dumps(json.loads(value) | {"user_name": "unknown"}).encode()


def leave(value: bytes, key: bytes | None) -> bytes | None:
    del value, key
    return None


def to_text(value: bytes, key: bytes | None) -> Any:  # noqa: ANN401 - that is what is wrong with it
    del key
    return value.decode()


@pytest.mark.parametrize(
    ("letter", "fix", "even_if_invalid", "why", "detail"),
    [
        (replace(LETTER, value=None), repair, True, Left.NO_VALUE, ""),
        (LETTER, leave, True, Left.NOT_FIXED, ""),
        (replace(LETTER, value=b"{bad"), repair, True, Left.FIX_FAILED, "JSONDecodeError: "),
        (LETTER, to_text, True, Left.FIX_FAILED, "it returned str, not bytes or None"),
        (LETTER, None, False, Left.STILL_INVALID, "blank: user_name is blank"),
    ],
)
def test_letters_that_are_left(letter: Letter, fix: Fix | None, even_if_invalid: bool, why: Left, detail: str) -> None:
    left = prepare(letter, "t", fix, even_if_invalid)
    assert isinstance(left, LeftLetter)
    assert (left.place, left.why) == ((2, 17), why)
    assert left.detail.startswith(detail)


@pytest.mark.parametrize(
    ("letter", "fix", "even_if_invalid", "key", "event_id"),
    [
        (LETTER, repair, False, b"e1", "e1"),
        # A number is an id too, as its text.
        (replace(LETTER, value=GOOD.replace(b'"e1"', b"12.50")), None, False, b"12.50", "12.50"),
        (replace(LETTER, value=GOOD, key=None), None, False, b"e1", "e1"),
        (LETTER, None, True, b"old-key", None),
        (replace(LETTER, key=None), None, True, None, None),
    ],
)
def test_letters_that_are_sent(
    letter: Letter, fix: Fix | None, even_if_invalid: bool, key: bytes | None, event_id: str | None
) -> None:
    item = prepare(letter, "t", fix, even_if_invalid)
    assert isinstance(item, Outgoing)
    assert (item.key, item.event_id) == (key, event_id)
    assert item.value == (fix(letter.value, letter.key) if fix and letter.value else letter.value)


def test_headers_link_to_the_original() -> None:
    assert link(LETTER, "topic_splitpay") == (
        ("trace", b"abc"),
        ("pi3.redrive.topic", b"topic_splitpay"),
        ("pi3.redrive.partition", b"2"),
        ("pi3.redrive.offset", b"17"),
        ("pi3.redrive.reason", b"blank"),
    )


def test_of_a_chain_of_redrives_the_last_link_is_kept() -> None:
    second = replace(LETTER, place=(1, 99), headers=link(LETTER, "t"))
    assert dict(link(second, "t"))["pi3.redrive.offset"] == b"99"
    assert len(link(second, "t")) == len(link(LETTER, "t"))


def test_a_younger_row_is_not_set_back() -> None:
    items = [prepare(replace(LETTER, value=GOOD.replace(b"e1", name)), "t", None, False) for name in (b"e1", b"e2")]
    outgoing = [item for item in items if isinstance(item, Outgoing)]
    kept, left = without_newer(outgoing, {"e2"})
    assert [item.event_id for item in kept] == ["e1"]
    assert left == [LeftLetter((2, 17), Left.NEWER_ROW, "event_id e2")]


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(), "select the letters"),
        (Selection(unconfirmed=True, again=True), "select the letters"),
        (Selection(reasons=("blank", "odd")), "no such reason: odd; there are tombstone, "),
    ],
)
def test_selections_that_are_refused(selection: Selection, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        selection.check()


@pytest.mark.parametrize(
    "selection",
    [
        Selection(reasons=("blank", "too_long")),
        Selection(partition=0),
        Selection(from_offset=0),
        Selection(until=datetime(2026, 1, 1, tzinfo=timezone.utc)),
    ],
)
def test_selections_that_are_taken(selection: Selection) -> None:
    selection.check()


@pytest.mark.parametrize(
    ("unconfirmed", "again", "states"),
    [
        (False, False, ["refused"]),
        (True, False, ["refused", "claimed"]),
        (False, True, ["refused", "published"]),
        (True, True, ["refused", "claimed", "published"]),
    ],
)
def test_nothing_is_sent_twice_unless_asked(unconfirmed: bool, again: bool, states: list[str]) -> None:
    assert Selection(unconfirmed=unconfirmed, again=again).states == states


@pytest.mark.parametrize("path", ["tests.unit.test_redrive.repair", "tests.unit.test_redrive:repair"])
def test_a_fixing_function_is_found(path: str) -> None:
    found = load_fix(path)
    assert found is not None
    assert found(BLANK, None) == repair(BLANK, None)


def test_without_a_path_there_is_no_fix() -> None:
    assert load_fix("") is None


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("repair", "no fixing function repair: "),
        ("no_such_module.repair", "No module named 'no_such_module'"),
        ("tests.unit.test_redrive.absent", "has no attribute 'absent'"),
        ("tests.unit.test_redrive.GOOD", "is no function but bytes"),
    ],
)
def test_a_fixing_function_that_is_not_there_is_named(path: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_fix(path)
