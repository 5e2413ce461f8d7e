"""Where a reset stream goes on, what it reads again, and what it skips."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from orchestration.errors import ConfigurationError
from orchestration.lifecycle.reset import (
    Move,
    in_words,
    moves,
    parse_moment,
    require_confirmation,
    skipped,
    targets,
)
from orchestration.resources.topics import OffsetRange

LOG = OffsetRange(20, 100)


@pytest.mark.parametrize(
    ("committed", "goal", "again", "left_out"),
    [
        (80, 20, 60, 0),
        (80, 80, 0, 0),
        (80, 100, 0, 20),
        (80, 90, 0, 10),
        # Without a commit, or with one that retention has passed, the stream would begin where the log does.
        (None, 100, 0, 80),
        (None, 20, 0, 0),
        (5, 60, 0, 40),
    ],
)
def test_a_move_tells_what_is_read_again_and_what_is_skipped(
    committed: int | None, goal: int, again: int, left_out: int
) -> None:
    found = moves({3: LOG}, {} if committed is None else {3: committed}, {3: goal})
    assert targets(found) == {3: goal}
    (move,) = found.values()
    assert (move.again, move.skipped.end - move.skipped.begin) == (again, left_out)
    assert skipped(found) == ({3: move.skipped} if left_out else {})


PLANNED = {0: Move(5_000, 0), 1: Move(7, 7), 2: Move(10, 2_010)}


def test_words_name_every_partition() -> None:
    assert in_words(PLANNED).split("; ") == [
        "partition 0: 5000 -> 0, 5,000 records are read again",
        "partition 1: 7 -> 7",
        "partition 2: 10 -> 2010, 2,000 are skipped",
    ]


@pytest.mark.parametrize("confirm", ["", "yes", "Topic"])
def test_without_the_topics_name_it_says_what_would_happen(confirm: str) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing was done.*2,000 are skipped.*set confirm.* topic$"):
        require_confirmation(confirm, "topic", "latest", PLANNED)


def test_the_topics_name_confirms() -> None:
    require_confirmation("topic", "topic", "latest", PLANNED)


@pytest.mark.parametrize(
    ("text", "hour"),
    [("2026-03-01T12:00:00", 12), ("2026-03-01T12:00:00Z", 12), ("2026-03-01T12:00+02:00", 10), ("2026-03-01", 0)],
)
def test_a_time_is_utc_unless_it_says_otherwise(text: str, hour: int) -> None:
    assert parse_moment(text) == datetime(2026, 3, 1, tzinfo=timezone.utc) + timedelta(hours=hour)


@pytest.mark.parametrize("text", ["", "yesterday", "Earliest", "12:00"])
def test_what_is_neither_word_nor_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="should be earliest, latest or an ISO time"):
        parse_moment(text)
