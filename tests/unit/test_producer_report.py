from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import psutil
import pytest

from producer.counts import Counts
from producer.errors import UsageError
from producer.record import Kind
from producer.report import Report, State, write_atomically
from producer.run import Reporter

NEW_YEAR_S = 1_767_225_600.0


def report(*, judged: bool = True) -> Report:
    counts = Counts(sent=7, refused=Counter(MSG_SIZE_TOO_LARGE=1), failures=Counter(_MSG_TIMED_OUT=1))
    for kind, partition, offset in [
        (Kind.PLAIN, 1, 11),
        (Kind.DUPLICATE, 1, 10),
        (Kind.MALFORMED, 1, 14),
        (Kind.LATE, 0, 5),
    ]:
        counts.acknowledge(kind, partition, offset)
    return Report("p", "t", "generator", 3, NEW_YEAR_S, counts, judged=judged)


def test_report_as_written() -> None:
    assert report().as_dict(NEW_YEAR_S + 2) == {
        "producer_id": "p",
        "pid": os.getpid(),
        "process_started_at": psutil.Process().create_time(),
        "topic": "t",
        "source": "generator",
        "seed": 3,
        "started_at": "2026-01-01T00:00:00.000+00:00",
        "updated_at": "2026-01-01T00:00:02.000+00:00",
        "state": "running",
        "error": "",
        "broker_error": "",
        "sent": 7,
        "acknowledged": 4,
        "failed": 1,
        "failures": {"_MSG_TIMED_OUT": 1},
        "refused": 1,
        "refusals": {"MSG_SIZE_TOO_LARGE": 1},
        "malformed": 1,
        "late": 1,
        "duplicates": 1,
        "duplicates_exact": True,
        "rate_per_s": 2.0,
        "partitions": {
            "0": {"first_offset": 5, "last_offset": 5, "acknowledged": 1, "malformed": 0, "duplicates": 0},
            "1": {"first_offset": 10, "last_offset": 14, "acknowledged": 3, "malformed": 1, "duplicates": 1},
        },
    }


def test_records_of_a_file_are_not_judged() -> None:
    document = report(judged=False).as_dict(NEW_YEAR_S)
    assert (document["malformed"], document["late"], document["partitions"]["1"]["malformed"]) == (None, None, None)
    assert document["duplicates"] == 1


def test_what_has_no_answer_yet() -> None:
    assert report().counts.unanswered == 2


def test_progress_names_the_brokers_error_only_while_it_matters() -> None:
    running = report()
    running.broker_error = "all brokers down"
    assert running.progress(NEW_YEAR_S + 2) == "7 sent, 4 acknowledged, 2/s; last error of the broker: all brokers down"
    running.counts.sent = 5
    assert running.progress(NEW_YEAR_S + 2) == "7 sent, 4 acknowledged, 2/s".replace("7", "5")


def test_the_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    write_atomically(path, {"a": 1})
    before = path.stat().st_ino
    write_atomically(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}
    assert path.stat().st_ino != before
    assert [entry.name for entry in path.parent.iterdir()] == ["report.json"]


def test_it_is_written_each_second(tmp_path: Path) -> None:
    now_s = 0.0
    path = tmp_path / "report.json"
    reporter = Reporter(report(), path, lambda: now_s)
    reporter.tick()
    reporter.report.state = State.FINISHED
    now_s = 0.9
    reporter.tick()
    assert json.loads(path.read_text())["state"] == "running"
    now_s = 1.0
    reporter.tick()
    assert json.loads(path.read_text())["state"] == "finished"


def test_a_line_of_progress_comes_every_two_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    now_s = 0.0
    reporter = Reporter(report(), None, lambda: now_s)
    for now_s in (0.5, 1.9, 2.0, 3.9, 4.1):  # noqa: B007
        reporter.tick()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("producer: 7 sent, 4 acknowledged") for line in lines)


def test_a_report_that_cannot_be_written_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    reporter = Reporter(report(), tmp_path / "file" / "report.json")
    with pytest.raises(UsageError, match="cannot be written: choose another path"):
        reporter.start()


def test_a_report_that_fails_later_does_not_stop_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    Reporter(report(), tmp_path / "file" / "report.json").tick()
    assert "the report was not written" in capsys.readouterr().err
