from __future__ import annotations

from typing import Any

import pytest

from bench.probe import Probe


class Session:
    """A table whose rows become visible as a test says."""

    def __init__(self) -> None:
        self.visible: set[int] = set()
        self.asked: list[tuple[int, list[int]]] = []

    def cursor(self) -> Session:
        return self

    def execute(self, _query: object, parameters: dict[str, Any]) -> None:
        above, missing = parameters["above"], parameters["missing"]
        self.asked.append((above, missing))
        new = {number for number in self.visible if number > above and number % parameters["step"] == 0}
        self._found = sorted(new | self.visible & set(missing))

    def fetchall(self) -> list[tuple[int, str]]:
        return [(number, f"event-{number}") for number in self._found]


def probed(session: Any, commits: list[set[int]], step: int = 1, window_ids: int = 100) -> Probe:  # noqa: ANN401
    probe = Probe(session, "events", step, window_ids)
    for commit in commits:
        session.visible |= commit
        probe.poll()
    return probe


@pytest.mark.parametrize(
    ("commits", "step", "seen"),
    [
        ([{1, 2, 3}], 1, {1, 2, 3}),
        # A lower id becomes visible after a higher one.
        ([{2, 4}, {1, 3}], 1, {1, 2, 3, 4}),
        ([{1, 2, 3, 4, 5, 6, 7}, {8, 9, 10}], 3, {3, 6, 9}),
        # Beyond the window it is too late.
        ([{200}, {1, 150}], 1, {200, 150}),
    ],
)
def test_rows_are_seen_in_whichever_order_they_are_committed(
    commits: list[set[int]], step: int, seen: set[int]
) -> None:
    assert set(probed(Session(), commits, step).seen_s) == {f"event-{number}" for number in seen}


@pytest.mark.parametrize(
    ("commits", "step", "above", "missing"),
    [
        ([{1, 2, 3}, set()], 1, 3, []),
        ([{1, 4}, set()], 1, 4, [2, 3]),
        ([{3, 9}, set()], 3, 9, [6]),
        ([{1, 4}, {2, 6}, set()], 1, 6, [3, 5]),
        # Beyond the window it is too late.
        ([{1, 4}, {103}, set()], 1, 103, [*range(5, 103)]),
        ([{1}, {300}, set()], 1, 300, [*range(201, 300)]),
    ],
)
def test_what_was_not_seen_is_asked_for_by_name(
    commits: list[set[int]], step: int, above: int, missing: list[int]
) -> None:
    session = Session()
    probed(session, commits, step)
    assert session.asked[-1] == (above, missing)


def test_a_row_is_seen_once() -> None:
    session = Session()
    probe = probed(session, [{2}])
    at = dict(probe.seen_s)
    assert probe.poll() == 0
    assert probe.seen_s == at
