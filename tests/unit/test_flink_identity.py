"""Which job is ours: the decision table."""

from __future__ import annotations

import re

import pytest

from orchestration.flink.identity import (
    Adopt,
    Ambiguous,
    Await,
    Claim,
    Decision,
    Evict,
    KnownJob,
    Replace,
    Submit,
    decide,
    next_job_id,
)
from orchestration.flink.types import JobSummary

CLAIM = Claim("n", "f")


def job(id_: str, state: str = "RUNNING", fingerprint: str | None = "f", name: str = "ours") -> KnownJob:
    """A job with one task."""
    return KnownJob(JobSummary(id_, name, state, 0, None, 0, 1, 1), fingerprint)


@pytest.mark.parametrize(
    ("jobs", "decision"),
    [
        ([], Submit()),
        ([job("a")], Adopt(job("a"))),
        ([job("a", "RESTARTING")], Adopt(job("a", "RESTARTING"))),
        ([job("a", "CREATED")], Adopt(job("a", "CREATED"))),
        ([job("a", fingerprint="g")], Replace(job("a", fingerprint="g"))),
        ([job("a", fingerprint=None)], Replace(job("a", fingerprint=None))),
        ([job("a", "CANCELLING")], Await(job("a", "CANCELLING"))),
        ([job("a", "FAILING", "g")], Await(job("a", "FAILING", "g"))),
        ([job("a", "FINISHED"), job("b", "FAILED"), job("c", "CANCELED")], Submit()),
        ([job("a", "CANCELED"), job("b")], Adopt(job("b"))),
        ([job("a", name="theirs")], Submit()),
        ([job("a", name="theirs"), job("b")], Adopt(job("b"))),
        ([job("a"), job("b")], Ambiguous((job("a"), job("b")))),
        ([job("a"), job("b", fingerprint="g")], Ambiguous((job("a"), job("b", fingerprint="g")))),
    ],
)
def test_decide_without_a_lease(jobs: list[KnownJob], decision: Decision) -> None:
    assert decide(jobs, Claim("ours", "f")) == decision


@pytest.mark.parametrize(
    ("jobs", "decision"),
    [
        ([], Submit()),
        ([job("h")], Adopt(job("h"))),
        ([job("h", fingerprint="g")], Replace(job("h", fingerprint="g"))),
        ([job("h", "FAILING")], Await(job("h", "FAILING"))),
        ([job("a")], Evict((job("a"),))),
        ([job("a", "CANCELLING")], Evict((job("a", "CANCELLING"),))),
        ([job("a"), job("h")], Evict((job("a"),))),
        ([job("a"), job("h"), job("b")], Evict((job("a"), job("b")))),
        ([job("a", "FAILED"), job("h")], Adopt(job("h"))),
        ([job("a", name="theirs"), job("h")], Adopt(job("h"))),
    ],
)
def test_decide_with_a_lease(jobs: list[KnownJob], decision: Decision) -> None:
    assert decide(jobs, Claim("ours", "f", holder="h", epoch=3)) == decision


def test_two_callers_who_saw_the_same_past_take_the_same_id() -> None:
    assert next_job_id(CLAIM, None, ["a", "b"]) == next_job_id(CLAIM, None, ["b", "a"])


@pytest.mark.parametrize(
    ("claim", "restore_path", "past"),
    [
        (Claim("m", "f"), None, ["a"]),
        (Claim("n", "g"), None, ["a"]),
        (Claim("n", "f", epoch=1), None, ["a"]),
        (CLAIM, "file:///x", ["a"]),
        (CLAIM, None, ["a", "b"]),
        (CLAIM, None, []),
    ],
)
def test_whatever_differs_gives_another_id(claim: Claim, restore_path: str | None, past: list[str]) -> None:
    id_ = next_job_id(claim, restore_path, past)
    assert re.fullmatch("[0-9a-f]{32}", id_)
    assert id_ != next_job_id(CLAIM, None, ["a"])
