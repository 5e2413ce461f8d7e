"""The order of the trials, the catalogue, and the report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from orchestration.health.causes import Cause
from tests.faults import report, suite
from tests.faults.accounts import Accounts
from tests.faults.catalogue import ALL, FAST
from tests.faults.checks import ASSETS
from tests.faults.outcome import Outcome, Verdict
from tests.faults.schedule import chosen, turns


def test_a_seed_gives_one_schedule() -> None:
    first, again, other = (list(islice(turns(seed, 40), 200)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_each_fault_comes_once_a_round() -> None:
    found = [turn.place for turn in islice(turns(5, 7), 21)]
    assert [sorted(found[at : at + 7]) for at in (0, 7, 14)] == [list(range(7))] * 3


@pytest.mark.parametrize(
    ("wanted", "places"),
    [([], [0, 1, 2]), (["broker"], [0, 1]), (["pause", "kill"], [0, 1, 2]), (["broker-kill"], [0])],
)
def test_faults_are_chosen_by_parts_of_their_names(wanted: list[str], places: list[int]) -> None:
    assert chosen(["broker-kill", "broker-pause", "job-kill"], wanted) == places


def test_a_name_that_no_fault_has_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault is called brocker"):
        chosen(["broker-kill"], ["broker", "brocker"])


def test_the_catalogue_has_thirty_faults_and_more_each_with_a_name_of_its_own() -> None:
    assert len({fault.name for fault in ALL}) == len(ALL) >= 38


def test_what_runs_with_the_other_tests_is_one_of_each_group() -> None:
    groups = [fault.group for fault in ALL if fault.name in FAST]
    assert len(groups) == len(set(groups)) == len(FAST)


@pytest.mark.parametrize("fault", ALL, ids=str)
def test_a_fault_names_checks_and_causes_that_exist(fault: Any) -> None:  # noqa: ANN401
    assert fault.red is None or fault.red in ASSETS
    assert set(fault.causes) <= {cause.value for cause in Cause}
    assert fault.red == "stream_healthy" or not fault.causes
    assert fault.recovery_goal_s <= 120


class Scripted:
    """Stands for a fault, and says what its trial shows."""

    def __init__(self, name: str, verdict: Verdict, **traits: Any) -> None:  # noqa: ANN401
        self.name, self.group, self.verdict = name, "g", verdict
        self.spoils, self.wants_disks = traits.get("spoils", False), traits.get("wants_disks", False)


def test_a_site_serves_until_a_fault_spoils_it_or_needs_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[bool] = []
    closed: list[bool] = []

    @contextmanager
    def open_site(*, disks: bool) -> Iterator[Any]:
        opened.append(disks)
        yield len(opened)
        closed.append(disks)

    class Trial:
        def __init__(self, site: int, fault: Scripted, *_: object) -> None:
            self.site, self.fault = site, fault

        def run(self) -> Outcome:
            return Outcome(self.fault.name, "g", self.fault.verdict, notes=[f"site {self.site}"])

    monkeypatch.setattr(suite, "Trial", Trial)
    faults: list[Any] = [
        Scripted("a", Verdict.GREEN),
        Scripted("b", Verdict.RED),
        Scripted("c", Verdict.NOT_RUN),
        Scripted("d", Verdict.GREEN, spoils=True),
        Scripted("e", Verdict.GREEN),
        Scripted("f", Verdict.GREEN, wants_disks=True),
    ]
    outcomes = suite.run_all(faults, open_site, tmp_path, lambda _: None)
    assert [outcome.notes for outcome in outcomes] == [[f"site {n}"] for n in (1, 1, 2, 2, 3, 4)]
    assert opened == closed == [False, False, False, True]
    assert [row["name"] for row in json.loads((tmp_path / "report" / "faults.json").read_text())] == list("abcdef")


def test_a_stack_that_does_not_start_is_unknown_and_the_next_fault_tries_again(tmp_path: Path) -> None:
    def open_site(*, disks: bool) -> Any:  # noqa: ANN401, ARG001
        raise OSError("no room")

    faults: list[Any] = [Scripted("a", Verdict.GREEN), Scripted("b", Verdict.GREEN)]
    outcomes = suite.run_all(faults, open_site, tmp_path, lambda _: None)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.UNKNOWN] * 2
    assert outcomes[0].notes == ["the stack did not start: no room"]


@pytest.mark.parametrize(
    ("verdicts", "passed"),
    [
        ([Verdict.GREEN, Verdict.NOT_RUN], True),
        ([Verdict.GREEN, Verdict.RED], False),
        ([Verdict.GREEN, Verdict.UNKNOWN], False),
        ([Verdict.NOT_RUN], False),
        ([], False),
    ],
)
def test_when_the_suite_has_passed(verdicts: list[Verdict], passed: bool) -> None:
    assert report.passed([Outcome("f", "g", verdict) for verdict in verdicts]) is passed


def test_the_table_tells_what_was_not_measured_from_zero() -> None:
    outcomes = [
        Outcome("a", "g", Verdict.GREEN, 1.25, ("idle",), 2.0, None, 3.0, 1_000, 0, 0, 0, 0, 0),
        Outcome("b", "g", Verdict.NOT_RUN, notes=["not run: needs root | a disk"]),
    ]
    lines = report.markdown(outcomes).splitlines()
    assert lines[2] == "| g | a | green | 1.2 | idle | 2.0 | - | 3.0 | 1,000 | 0 | 0 | 0 | 0 |  |"
    assert (
        lines[3] == "| g | b | **not run** | - | - | - | - | - | - | - | - | - | - | not run: needs root \\| a disk |"
    )
    assert lines[5] == "2 trials: 1 green, 1 not run."


@pytest.mark.parametrize(
    ("committed", "audited", "to_go"),
    [({0: 9, 1: 5}, {0: 9, 1: 5}, 0), ({0: 9, 1: 5}, {0: 7}, 7), ({}, {}, 14), ({0: 2, 1: 5}, {0: 9, 1: 5}, 7)],
)
def test_what_is_left_is_what_is_not_committed_or_not_audited(
    committed: dict[int, int], audited: dict[int, int], to_go: int
) -> None:
    assert Accounts(0, 0, True, committed, audited, {0: 9, 1: 5, 2: 0}).to_go == to_go
