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
    retention_ahead,
    rows_landing,
    seconds,
    stopped_on_purpose,
    unknown,
    utc,
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


@pytest.mark.parametrize(
    ("lag", "left_s", "retention_s", "severity", "words"),
    [
        (0, None, 1_000.0, None, "nothing waits"),
        (5, 10.0, -0.001, None, "for ever"),
        (5, 251.0, 1_000.0, None, "keeps the oldest of them for 4 min more"),
        (5, 250.0, 1_000.0, Severity.WARN, "raise the topic's retention.ms"),
        (5, 100.0, 1_000.0, Severity.ERROR, "for 100 s more"),
        (5, -9.0, 1_000.0, Severity.ERROR, "for 0 s more"),
        (5, None, 1_000.0, Severity.WARN, "unknown"),
    ],
)
def test_retention_ahead(
    lag: int, left_s: float | None, retention_s: float, severity: Severity | None, words: str
) -> None:
    verdict = retention_ahead(lag, left_s, retention_s, 0.25, 0.1)
    assert (verdict.passed, words in verdict.description) == (severity is None, True), verdict
    assert severity in (None, verdict.severity)


def test_what_is_unknown_warns_and_what_is_stopped_on_purpose_passes() -> None:
    assert (unknown("no answer").passed, unknown("no answer").severity) == (False, Severity.WARN)
    assert unknown("no answer").description == "unknown: no answer"
    assert stopped_on_purpose(0.0).passed
    assert "since 1970-01-01 00:00:00 UTC" in stopped_on_purpose(0.0).description
    assert utc(1_800_000_000.9) == "2027-01-15 08:00:00 UTC"


@pytest.mark.parametrize(
    ("span_s", "words"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_199, "120 min"), (7_200, "2.0 h"), (172_800, "2.0 days")],
)
def test_spans_of_time(span_s: float, words: str) -> None:
    assert seconds(span_s) == words
