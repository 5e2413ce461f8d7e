"""Every verdict, as a table."""

from __future__ import annotations

import pytest

from orchestration.verdicts import (
    CheckpointFacts,
    Severity,
    checkpoint_recent,
    job_running,
    no_duplicates,
    no_restart_storm,
    rows_landing,
)


@pytest.mark.parametrize(
    ("lag", "advanced", "passed", "words"),
    [
        (0, 0, True, "landed everything"),
        (0, 10, True, "landed everything"),
        (1_500, 10, True, "committed 10 records within 20 s; 1,500 wait"),
        (1_500, 0, False, "1,500 records wait and none was committed within 20 s"),
    ],
)
def test_rows_landing(lag: int, advanced: int, passed: bool, words: str) -> None:
    verdict = rows_landing(lag, advanced, 20.0)
    assert (verdict.passed, words in verdict.description) == (passed, True)
    assert verdict.metadata["lag"] == lag


@pytest.mark.parametrize(
    ("repeated", "passed"), [({}, True), ({"a": 2}, False), ({f"e{n}": 2 for n in range(9)}, False)]
)
def test_no_duplicates(repeated: dict[str, int], passed: bool) -> None:
    verdict = no_duplicates(repeated)
    assert verdict.passed is passed
    assert verdict.metadata["repeated_event_ids"] == len(repeated)
    assert [name in verdict.description for name in list(repeated)[:5]] == [True] * min(5, len(repeated))


@pytest.mark.parametrize(
    ("state", "same_name", "passed", "words"),
    [
        ("RUNNING", 1, True, "is running"),
        ("RUNNING", 2, False, "2 jobs of this name"),
        ("RESTARTING", 1, False, "the job is RESTARTING"),
        (None, 0, False, "materialise streaming_job"),
    ],
)
def test_job_running(state: str | None, same_name: int, passed: bool, words: str) -> None:
    verdict = job_running(state, same_name)
    assert (verdict.passed, words in verdict.description) == (passed, True)


@pytest.mark.parametrize(
    ("interval_s", "age_s", "job_age_s", "passed"),
    [
        (5.0, 3.0, 900.0, True),
        (5.0, 60.0, 900.0, True),
        (5.0, 61.0, 900.0, False),
        (60.0, 299.0, 900.0, True),
        (60.0, 301.0, 900.0, False),
        (5.0, None, 10.0, True),
        (5.0, None, 61.0, False),
    ],
)
def test_checkpoint_recent(interval_s: float, age_s: float | None, job_age_s: float, passed: bool) -> None:
    verdict = checkpoint_recent(CheckpointFacts(interval_s, age_s, job_age_s, failed_since_completed=2))
    assert verdict.passed is passed
    assert "2 failed since" in verdict.description


def test_without_a_job_nothing_is_checkpointed() -> None:
    assert not checkpoint_recent(None).passed


@pytest.mark.parametrize(
    ("restarts", "passed", "severity"),
    [
        (0, True, Severity.ERROR),
        (2, True, Severity.ERROR),
        (3, False, Severity.WARN),
        (5, False, Severity.WARN),
        (6, False, Severity.ERROR),
        (None, False, Severity.ERROR),
    ],
)
def test_no_restart_storm(restarts: int | None, passed: bool, severity: Severity) -> None:
    verdict = no_restart_storm(restarts, 600.0, warn_at=3, error_at=6)
    assert (verdict.passed, verdict.severity) == (passed, severity)
