"""Every verdict, as a table."""

from __future__ import annotations

import pytest

from orchestration.verdicts import (
    CheckpointFacts,
    PartitionProgress,
    Severity,
    checkpoint_recent,
    counts_match_offsets,
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


def partition(
    end: int, landed: int, begin: int = 0, committed: int | None = -1, duplicates: int = 0
) -> PartitionProgress:
    return PartitionProgress(begin, end, end if committed == -1 else committed, landed, duplicates)


@pytest.mark.parametrize(
    ("progress", "lag", "committed_records", "unlanded"),
    [
        (partition(0, 0), 0, 0, 0),
        (partition(0, 0, committed=None), 0, 0, 0),
        (partition(10, 0, committed=None), 10, 0, 0),
        (partition(10, 7), 0, 10, 3),
        (partition(10, 7, duplicates=2), 0, 10, 1),
        (partition(10, 3, committed=4), 6, 4, 1),
        # The producers may know of duplicates that the job has not read yet.
        (partition(10, 4, committed=4, duplicates=5), 6, 4, 0),
        (partition(10, 6, begin=4), 0, 6, 0),
        # Retention has passed the commit.
        (partition(10, 0, begin=8, committed=3), 2, 0, 0),
    ],
)
def test_partition_progress(progress: PartitionProgress, lag: int, committed_records: int, unlanded: int) -> None:
    assert (progress.lag, progress.committed_records, progress.unlanded) == (lag, committed_records, unlanded)


@pytest.mark.parametrize(
    ("partitions", "passed", "severity", "words"),
    [
        ({}, True, None, "of 0 committed records"),
        ({0: partition(0, 0)}, True, None, "of 0 committed records"),
        ({0: partition(100, 0, committed=None)}, True, None, "of 0 committed records"),
        ({0: partition(100, 100), 1: partition(100, 98, duplicates=2)}, True, None, "0 (0.00%) did not land"),
        ({0: partition(100, 96)}, True, None, "4 (4.00%) did not land"),
        ({0: partition(100, 95)}, False, Severity.WARN, "5 (5.00%) did not land"),
        ({0: partition(100, 50)}, False, Severity.ERROR, "not a proof"),
        ({0: partition(100, 0)}, False, Severity.ERROR, "100 (100.00%) did not land"),
        # An excess in one partition is not made up for by another.
        ({0: partition(100, 101), 1: partition(100, 99)}, False, Severity.ERROR, "partition 0: 1)"),
    ],
)
def test_counts_match_offsets(
    partitions: dict[int, PartitionProgress], passed: bool, severity: Severity | None, words: str
) -> None:
    verdict = counts_match_offsets(partitions, warn_share=0.05, error_share=0.5)
    assert verdict.passed is passed
    assert words in verdict.description
    assert severity is None or verdict.severity is severity


def test_counts_are_shown_per_partition() -> None:
    verdict = counts_match_offsets({0: partition(10, 7, duplicates=1), 3: partition(8, 3, committed=4)}, 0.9, 0.95)
    assert verdict.metadata == {
        "produced_0": 10,
        "landed_0": 7,
        "duplicates_0": 1,
        "rejected_0": 2,
        "lag_0": 0,
        "produced_3": 8,
        "landed_3": 3,
        "duplicates_3": 0,
        "rejected_3": 1,
        "lag_3": 4,
        "rejected_share": round(3 / 14, 6),
    }


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
