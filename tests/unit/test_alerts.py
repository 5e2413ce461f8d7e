"""Which changes of the checks' states are told, and in which words."""

from __future__ import annotations

import pytest

from orchestration.ledger.alerts import (
    Change,
    Execution,
    Known,
    State,
    changes,
    from_cursor,
    latest,
    settled,
    to_cursor,
    words,
)

OK, WARN, ERROR, NONE = State.PASSED, State.WARN, State.ERROR, State.NO_VERDICT


def run(number: int, state: State, check: str = "events.landing") -> Execution:
    return Execution(check, number, state, f"execution {number}", float(number))


@pytest.mark.parametrize(
    ("known", "history", "told"),
    [
        ({}, [], []),
        ({}, [run(1, OK)], []),
        ({}, [run(1, ERROR)], [(1, OK)]),
        # Of a check never seen, old ups and downs are no news.
        ({}, [run(1, ERROR), run(2, OK), run(3, ERROR), run(4, OK)], []),
        ({}, [run(1, ERROR), run(2, OK), run(3, WARN)], [(3, OK)]),
        ({"events.landing": Known(1, OK)}, [run(1, ERROR)], []),
        ({"events.landing": Known(1, OK)}, [run(2, OK), run(3, OK)], []),
        ({"events.landing": Known(1, OK)}, [run(2, ERROR), run(3, ERROR)], [(2, OK)]),
        # A flap between two ticks is told both ways, whatever the order in which it is read.
        ({"events.landing": Known(1, OK)}, [run(3, OK), run(2, ERROR)], [(2, OK), (3, ERROR)]),
        ({"events.landing": Known(4, ERROR)}, [run(5, ERROR), run(6, OK)], [(6, ERROR)]),
        ({"events.landing": Known(4, WARN)}, [run(5, ERROR)], [(5, WARN)]),
        ({"events.landing": Known(4, OK)}, [run(5, NONE), run(6, OK)], [(5, OK), (6, NONE)]),
        # Checks do not mix; what is told is in the order of time.
        (
            {"events.landing": Known(1, OK), "ledger.lost": Known(2, ERROR)},
            [run(4, OK, "ledger.lost"), run(3, ERROR)],
            [(3, OK), (4, ERROR)],
        ),
    ],
)
def test_changes(known: dict[str, Known], history: list[Execution], told: list[tuple[int, State]]) -> None:
    assert [(change.execution.id, change.before) for change in changes(known, history)] == told


def test_what_was_told_is_not_told_again() -> None:
    history = [run(1, OK), run(2, ERROR), run(3, ERROR), run(4, OK)]
    known: dict[str, Known] = {"events.landing": Known(0, OK)}
    told = changes(known, history)
    assert len(told) == 2
    assert changes(known | latest(history), history) == []
    # A webhook that took just the first of them gets the second later, and only that.
    assert changes(known | latest([told[0].execution]), history) == told[1:]


@pytest.mark.parametrize(
    ("former", "history", "now_s", "kept"),
    [
        # Worse counts at once, better when it has lasted for ten seconds.
        (Known(1, OK), [run(2, ERROR)], 2, [2]),
        (Known(1, OK), [run(2, WARN), run(3, ERROR)], 3, [2, 3]),
        (Known(1, ERROR), [run(2, OK)], 11, []),
        (Known(1, ERROR), [run(2, OK)], 12, [2]),
        (Known(1, ERROR), [run(2, OK), run(7, OK)], 12, [2, 7]),
        (Known(1, ERROR), [run(2, WARN), run(7, OK)], 12, [2, 7]),
        # It relapses: as if it had never been better.
        (Known(1, ERROR), [run(2, OK), run(7, ERROR)], 99, [7]),
        (Known(1, ERROR), [run(2, OK), run(12, OK), run(13, ERROR)], 13, [2, 12, 13]),
        (Known(1, OK), [run(2, ERROR), run(3, OK), run(4, ERROR), run(5, OK)], 9, [2, 4]),
        (Known(1, OK), [run(2, ERROR), run(3, OK), run(4, ERROR), run(5, OK)], 15, [2, 4, 5]),
        # Neither does what is known count again, nor what was never seen wait.
        (Known(5, ERROR), [run(4, OK), run(5, ERROR)], 99, []),
        (None, [run(2, ERROR), run(3, OK)], 3, [2, 3]),
    ],
)
def test_what_flaps_is_told_once(former: Known | None, history: list[Execution], now_s: float, kept: list[int]) -> None:
    known = {"events.landing": former} if former else {}
    found = settled(known, reversed(history), now_s, 10.0)
    assert [execution.id for execution in found] == kept


def test_the_cursor_keeps_what_is_known() -> None:
    known = {"a.b": Known(7, NONE), "c/d.e": Known(9, WARN)}
    assert from_cursor(to_cursor(known)) == known
    assert from_cursor(None) == {}


@pytest.mark.parametrize(
    ("change", "start"),
    [
        (Change(run(1, ERROR), OK), "[ERROR] events.landing: execution 1 http://ui/assets/events?view=checks"),
        (Change(run(1, WARN), ERROR), "[WARN] events.landing: execution 1 "),
        (Change(run(2, OK), ERROR), "[ok] events.landing passes again (was ERROR): execution 2 "),
    ],
)
def test_words(change: Change, start: str) -> None:
    text = words(change, "http://ui")
    assert text.startswith(start)
    assert text.endswith("checkDetail=landing")
