"""When an hour is complete, when it is reported again, and what one tick leaves for the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from orchestration.ledger.hourly import (
    Book,
    Counts,
    Reported,
    Revision,
    begin_of,
    complete,
    due,
    key,
    last_over,
    revise,
    settle,
    with_goals,
)

H9, H10, H11, H12 = (f"2026-03-01-{hour:02}:00" for hour in (9, 10, 11, 12))


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-01T{clock}+00:00")


@pytest.mark.parametrize(
    ("now", "grace_s", "hour"),
    [
        ("12:00:00", 0, H11),
        ("11:59:59", 0, H10),
        ("12:00:59", 60, H10),
        ("12:01:00", 60, H11),
        ("12:59:59", 60, H11),
        ("12:59:59", 7_200, H9),
    ],
)
def test_last_over(now: str, grace_s: float, hour: str) -> None:
    assert last_over(at(now), grace_s) == hour


def test_hours_are_utc() -> None:
    moment = datetime(2026, 3, 1, 11, 30, tzinfo=timezone(timedelta(hours=1)))
    assert key(moment) == H10
    assert begin_of(H10) == at("10:00:00")


@pytest.mark.parametrize(
    ("goal", "audited", "expected"),
    [
        ({}, {}, True),
        ({0: 5}, {}, False),
        ({0: 5}, {0: 4}, False),
        ({0: 5}, {0: 5}, True),
        ({0: 5, 1: 3}, {0: 9, 1: 2}, False),
        ({0: 5, 1: 3}, {0: 9, 1: 3, 2: 0}, True),
    ],
)
def test_complete(goal: Mapping[int, int], audited: Mapping[int, int], expected: bool) -> None:
    assert complete(goal, audited) is expected


@pytest.mark.parametrize(
    ("book", "newest", "goals"),
    [
        (Book(), H9, {}),  # the topic's first record is of hour 10
        (Book(), H11, {H10: {0: 7}, H11: {0: 7}}),
        (Book(newest=H11), H11, {}),
        (Book(newest=H10), H12, {H11: {0: 7}, H12: {0: 7}}),
        # A goal once noted stays: the hour must not wait for what came after it.
        (Book(newest=H10, goals={H10: {0: 3}}), H11, {H10: {0: 3}, H11: {0: 7}}),
        # A clock that was set back.
        (Book(newest=H11), H9, {}),
    ],
)
def test_goals(book: Book, newest: str, goals: Mapping[str, Mapping[int, int]]) -> None:
    after = with_goals(book, H10, newest, {0: 7})
    assert after.goals == goals
    assert after.newest == max(book.newest, newest)


@pytest.mark.parametrize(
    ("audited", "limit", "hours"),
    [({0: 2}, 9, []), ({0: 3}, 9, [H9]), ({0: 7}, 9, [H9, H10, H11]), ({0: 7}, 2, [H9, H10])],
)
def test_due_hours_come_in_order(audited: Mapping[int, int], limit: int, hours: list[str]) -> None:
    book = Book(newest=H11, goals={H11: {0: 7}, H9: {0: 3}, H10: {0: 5}})
    assert due(book, audited, limit) == hours


def test_an_hour_with_lost_offsets_waits_alone() -> None:
    book = Book(newest=H11, goals={H10: {0: 5}, H11: {0: 7}})
    counts = {H10: Counts(3, 0, lost=1), H11: Counts(2, 0)}
    after, done = settle(book, [H10, H11], counts.__getitem__)
    assert [(item.hour, item.revision, item.before) for item in done] == [(H11, 0, None)]
    assert after.goals == {H10: {0: 5}}
    assert after.reported == {H11: Reported(Counts(2, 0))}
    after, done = settle(after, [H10], lambda _: Counts(4, 0))
    assert [item.hour for item in done] == [H10]
    assert after.goals == {}


ALWAYS = Revision(48, 0, lambda: True)


def book_of(counts: Counts, *hours: str) -> Book:
    return Book(newest=H12, reported={hour: Reported(counts) for hour in hours})


@pytest.mark.parametrize(
    ("now", "changed"),
    [
        (Counts(5, 1, 0, "a"), False),
        (Counts(6, 1, 0, "a"), True),
        (Counts(5, 2, 0, "a"), True),
        (Counts(5, 1, 1, "a"), True),  # a row of a reported hour was lost afterwards
        (Counts(5, 1, 0, "b"), True),  # one row came, another went
    ],
)
def test_an_hour_is_reported_again_when_its_counts_change(now: Counts, changed: bool) -> None:
    before = Counts(5, 1, 0, "a")
    book, found = revise(book_of(before, H11), lambda _: now, 0.0, ALWAYS)
    assert [(item.hour, item.revision, item.before) for item in found] == ([(H11, 1, before)] if changed else [])
    assert book.reported[H11] == Reported(now, int(changed))
    assert revise(book, lambda _: now, 0.0, ALWAYS)[1] == []


@pytest.mark.parametrize(("window_h", "kept"), [(1, {H12}), (2, {H11, H12}), (48, {H9, H10, H11, H12})])
def test_hours_before_the_window_are_final(window_h: int, kept: set[str]) -> None:
    counted: list[str] = []

    def count(hour: str) -> Counts:
        counted.append(hour)
        return Counts(2, 0)

    book, _ = revise(book_of(Counts(1, 0), H9, H10, H11, H12), count, 0.0, Revision(window_h, 0, lambda: True))
    assert set(counted) == set(book.reported) == kept


def test_recounts_that_run_out_of_time_go_on_at_the_next_tick() -> None:
    counted: list[str] = []

    def count(hour: str) -> Counts:
        counted.append(hour)
        return Counts(1, 0)

    book = book_of(Counts(1, 0), H9, H10, H11, H12)
    for _ in range(3):
        left = iter([True, True, False])
        book, _ = revise(book, count, 0.0, Revision(48, 0, left.__next__))
    assert counted == [H9, H10, H11, H12, H9, H10]


def test_hours_are_recounted_together_and_not_often() -> None:
    counted: list[str] = []

    def count(hour: str) -> Counts:
        counted.append(hour)
        return Counts(len(counted), 0)

    rule = Revision(48, 600, lambda: True)
    book, changed = revise(book_of(Counts(0, 0), H9, H10), count, 1_000.0, rule)
    assert [item.hour for item in changed] == [H9, H10]
    assert revise(book, count, 1_599.0, rule) == (book, [])
    # An hour that was completed since has its first recount at once.
    grown = replace(book, reported={**book.reported, H11: Reported(Counts(0, 0))})
    book, changed = revise(grown, count, 1_599.0, rule)
    assert [item.hour for item in changed] == [H11]
    book, changed = revise(book, count, 1_600.0, rule)
    assert [item.hour for item in changed] == [H9, H10, H11]


def test_the_book_survives_the_cursor() -> None:
    book = Book(H12, {H11: {0: 4, 3: 9}}, {H10: Reported(Counts(5, 1, 0, "x"), 2)}, H10, 1.5)
    assert Book.from_cursor(book.to_cursor()) == book
