"""The verdict, as a table of cases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.faults.comparison import Comparison
from tests.faults.outcome import Figures, Goals, Verdict, judge

CLEAN = Comparison(acknowledged=1_000)
GOALS = Goals(recovery_s=15, detection_s=30, red="stream_healthy", causes=("sink_blocked",))
FINE = Figures(
    bit=True,
    detected_s=9.0,
    causes=("sink_blocked",),
    recovered_s=4.0,
    green_again_s=8.0,
    settled=True,
    comparison=CLEAN,
    balanced=True,
    jobs_at_once=1,
    standstill_s=20.0,
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"comparison": replace(CLEAN, lost=2, examples={"lost": ["a", "b"]})}, "2 lost, such as a, b"),
        ({"comparison": replace(CLEAN, wrong=1)}, "1 wrong, such as ?"),
        ({"comparison": replace(CLEAN, doubled=1)}, "1 doubled, such as ?"),
        ({"comparison": replace(CLEAN, phantom=1_000)}, "1,000 phantom, such as ?"),
        ({"comparison": Comparison()}, "no event was acknowledged"),
        ({"comparison": None}, "the table was not compared"),
        ({"settled": False}, "not everything was committed and accounted for in time"),
        ({"ledger_lost": 3}, "the ledger has 3 LOST"),
        ({"ledger_gone": 3}, "the ledger has 3 gone"),
        ({"balanced": False}, "the ledger does not balance"),
        ({"jobs_at_once": 2}, "2 jobs of our name at once"),
        ({"recovered_s": None}, "did not recover by itself"),
        ({"recovered_s": 15.6}, "recovered after 16 s, goal 15 s"),
        ({"detected_s": None}, "stream_healthy never went red"),
        ({"detected_s": 31.0}, "stream_healthy went red after 31 s, goal 30 s"),
        ({"causes": ("stuck",)}, "stream_healthy named stuck, not sink_blocked"),
        ({"causes": ()}, "stream_healthy named no cause, not sink_blocked"),
        ({"green_again_s": None}, "stream_healthy did not turn green again"),
        ({"complaints": ("end: OSError: gone",)}, "end: OSError: gone"),
    ],
)
def test_whatever_is_amiss_makes_it_red(changes: dict[str, Any], words: str) -> None:
    outcome = judge("f", "g", GOALS, replace(FINE, **changes))
    assert (outcome.verdict, outcome.notes) == (Verdict.RED, [words])


def test_nothing_amiss_is_green() -> None:
    outcome = judge("f", "g", GOALS, FINE)
    assert (outcome.verdict, outcome.notes) == (Verdict.GREEN, [])
    assert (outcome.lost, outcome.acknowledged, outcome.recovered_s) == (0, 1_000, 4.0)


def test_a_fault_that_never_bit_proves_nothing() -> None:
    outcome = judge("f", "g", replace(GOALS, red=None), replace(FINE, bit=False))
    assert (outcome.verdict, outcome.notes) == (Verdict.UNKNOWN, ["nothing visibly broke"])


def test_events_lost_though_nothing_broke_are_lost() -> None:
    outcome = judge("f", "g", GOALS, replace(FINE, bit=False, ledger_lost=1))
    assert outcome.verdict is Verdict.RED


def test_a_fault_that_is_over_too_soon_need_not_be_seen() -> None:
    goals = replace(GOALS, red=None)
    assert judge("f", "g", goals, replace(FINE, detected_s=None, green_again_s=None)).verdict is Verdict.GREEN


@pytest.mark.parametrize(("gone", "verdict"), [(5, Verdict.GREEN), (0, Verdict.RED)])
def test_where_kafka_loses_records_the_ledger_must_say_so(gone: int, verdict: Verdict) -> None:
    goals = replace(GOALS, loses_records=True, stays_red=True)
    assert judge("f", "g", goals, replace(FINE, ledger_gone=gone, green_again_s=None)).verdict is verdict


@pytest.mark.parametrize(("standstill_s", "verdict"), [(4.9, Verdict.GREEN), (5.1, Verdict.RED)])
def test_where_the_stream_is_not_hit_it_must_not_stop(standstill_s: float, verdict: Verdict) -> None:
    goals = replace(GOALS, standstill_s=5.0)
    assert judge("f", "g", goals, replace(FINE, standstill_s=standstill_s)).verdict is verdict
