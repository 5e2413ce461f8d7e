"""When a check went red and green, from its history."""

from __future__ import annotations

import pytest

from tests.faults.checks import Evaluation, causes_after, green_after, red_after

INJECTED, ENDED = 100.0, 160.0


def told(*marks: str) -> list[Evaluation]:
    """`+50` passed at 50, `-110` failed."""
    return [Evaluation(mark[0] == "+", float(mark[1:])) for mark in marks]


@pytest.mark.parametrize(
    ("evaluations", "red_at", "green_at"),
    [
        (told("+90", "-112", "+170"), 112, 170),
        (told("+90", "-112", "-150", "+170", "+175"), 112, 170),
        (told("-50", "+90", "-112", "+165", "-168", "+180"), 112, 180),
        (told("+90", "-112"), 112, None),
        (told("+90"), None, None),
        (told(), None, None),
        (told("-50", "+90", "+120", "+170"), None, None),
        (told("+90", "-112", "+130"), 112, ENDED),
        (told("+90", "-165", "+170"), 165, 170),
    ],
    ids=["red, green", "red for long", "flaps", "stays red", "silent", "never", "stays green", "green early", "late"],
)
def test_red_and_green(evaluations: list[Evaluation], red_at: float | None, green_at: float | None) -> None:
    red, green = red_after(evaluations, INJECTED), green_after(evaluations, INJECTED, ENDED)
    assert (red and red.at, green and green.at) == (red_at, green_at)


def test_causes_are_those_of_failures_since_the_injection() -> None:
    evaluations = [
        Evaluation(False, 50, cause="stuck"),
        Evaluation(False, 110, cause="unreachable"),
        Evaluation(True, 120, cause="landing"),
        Evaluation(False, 130, cause="absent"),
        Evaluation(False, 140, cause="unreachable"),
    ]
    assert causes_after(evaluations, INJECTED) == ("unreachable", "absent")
