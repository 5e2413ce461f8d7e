"""Which job is ours: the decision table."""

from __future__ import annotations

import re

import pytest

from orchestration.flink.identity import (
    Adopt,
    Ambiguous,
    Await,
    Decision,
    KnownJob,
    Replace,
    Submit,
    decide,
    next_job_id,
)
from orchestration.flink.types import JobSummary


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
def test_decide(jobs: list[KnownJob], decision: Decision) -> None:
    assert decide(jobs, "ours", "f") == decision


def test_two_callers_who_saw_the_same_past_take_the_same_id() -> None:
    assert next_job_id("n", "f", None, ["a", "b"]) == next_job_id("n", "f", None, ["b", "a"])


@pytest.mark.parametrize(
    ("name", "fingerprint", "restore_path", "past"),
    [
        ("m", "f", None, ["a"]),
        ("n", "g", None, ["a"]),
        ("n", "f", "file:///x", ["a"]),
        ("n", "f", None, ["a", "b"]),
        ("n", "f", None, []),
    ],
)
def test_whatever_differs_gives_another_id(
    name: str, fingerprint: str, restore_path: str | None, past: list[str]
) -> None:
    id_ = next_job_id(name, fingerprint, restore_path, past)
    assert re.fullmatch("[0-9a-f]{32}", id_)
    assert id_ != next_job_id("n", "f", None, ["a"])
