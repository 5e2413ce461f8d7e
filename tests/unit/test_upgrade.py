"""Whether a new version of the job has proved itself."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from orchestration.lifecycle.upgrade import Proof, sample

PROVED = {"checkpoints": 1, "audited_to": {0: 10, 1: 5}, "goal": {0: 10, 1: 5}, "lost": 2, "lost_before": 2}


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({}, None),
        ({"lost": 1}, None),
        ({"goal": {}, "audited_to": {}}, None),
        ({"goal": {0: 9}}, None),
        ({"checkpoints": 0}, "no checkpoint has completed"),
        ({"checkpoints": 0, "lost": 3}, "no checkpoint has completed"),
        ({"audited_to": {0: 9, 1: 5}}, "not accounted for up to 0: 10"),
        ({"audited_to": {0: 10}}, "not accounted for up to 1: 5"),
        ({"audited_to": {}}, "not accounted for up to 0: 10, 1: 5"),
        ({"lost": 5}, "3 records that should have landed did not"),
    ],
)
def test_what_is_missing(change: Mapping[str, object], missing: str | None) -> None:
    assert Proof(**{**PROVED, **change}).missing == missing  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("committed", "ends", "goal"),
    [
        ({}, {}, {}),
        ({0: 5}, {0: 5}, {0: 5}),
        ({0: 5}, {0: 8}, {0: 8}),
        ({0: 5}, {0: 1_000_000}, {0: 10_005}),
        ({}, {0: 7, 1: 20_000}, {0: 7, 1: 10_000}),
    ],
)
def test_a_backlog_is_not_waited_for(committed: dict[int, int], ends: dict[int, int], goal: dict[int, int]) -> None:
    assert sample(committed, ends) == goal
