"""The command as a process, sending to librdkafka's mock cluster."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from tests.faults.journal import read

TOPIC = "t"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    cluster = Producer({"bootstrap.servers": "ignored", "test.mock.num.brokers": 1, "log_level": 0})
    cluster.produce(TOPIC, b"first")
    assert cluster.flush(10) == 0
    address = next(iter(cluster.list_topics(timeout=10).brokers.values()))
    yield f"{address.host}:{address.port}"
    # The cluster lives as long as its client.
    cluster.flush(0)


def start(broker: str, *flags: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "producer", "--bootstrap-servers", broker, "--topic", TOPIC, *flags],
        cwd=ROOT,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_report(path: Path, **expected: Any) -> None:  # noqa: ANN401
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s:
        if path.exists() and expected.items() <= json.loads(path.read_text()).items():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} never showed {expected}")


def test_a_count_is_sent_and_summed_up(broker: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    process = start(broker, "--count", "500", "--rate", "0", "--seed", "1", "--report", str(report), "--id", "p1")
    out, err = process.communicate(timeout=30)
    summary = json.loads(out)
    assert (process.returncode, err) == (0, "")
    assert (summary["producer_id"], summary["state"], summary["acknowledged"]) == ("p1", "finished", 500)
    assert json.loads(report.read_text())["partitions"] == summary["partitions"]


def test_a_file_is_sent_line_by_line(broker: str, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    file.write_bytes(b'{"event_id":"a"}\n{bad\n\n{"event_id":"a","x":1}\n')
    out, _ = start(broker, "--file", str(file)).communicate(timeout=30)
    summary = json.loads(out)
    assert (summary["sent"], summary["acknowledged"], summary["duplicates"]) == (4, 4, 1)
    assert (summary["source"], summary["malformed"]) == (str(file), None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("flags", [["--rate", "100"], ["--file", "-"]])
def test_a_signal_flushes_and_stops(broker: str, tmp_path: Path, number: signal.Signals, flags: list[str]) -> None:
    report = tmp_path / "report.json"
    process = start(broker, "--report", str(report), *flags, stdin=subprocess.PIPE)
    wait_for_report(report, state="running", error="")
    time.sleep(0.5)
    process.send_signal(number)
    summary = json.loads(process.communicate(timeout=30)[0])
    assert process.returncode == 0
    assert summary["state"] == json.loads(report.read_text())["state"] == "stopped"
    assert summary["sent"] == summary["acknowledged"]


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--topic", "absent"], "topic 'absent' at"),
        (["--file", "no/such/file"], "--file no/such/file cannot be read (No such file or directory): check the path"),
        (["--rate", "-1"], "--rate and --count must be 0 or more"),
        (["--report", "pyproject.toml/report.json"], "--report pyproject.toml/report.json cannot be written"),
    ],
)
def test_what_the_caller_must_change_is_said_at_once(broker: str, flags: list[str], line: str) -> None:
    process = start(broker, "--count", "1", *flags)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert f"producer: {line}" in err


def test_a_csv_without_header_sends_nothing(broker: str, tmp_path: Path) -> None:
    file, report = tmp_path / "rows.csv", tmp_path / "report.json"
    file.write_text("a,b\nc,d\n")
    process = start(broker, "--file", str(file), "--report", str(report))
    _, err = process.communicate(timeout=30)
    document = json.loads(report.read_text())
    assert (process.returncode, document["state"], document["sent"]) == (2, "failed", 0)
    assert err == f"producer: {document['error']}\n"


def test_a_killed_producer_leaves_a_journal_of_all_that_it_sent(broker: str, tmp_path: Path) -> None:
    report, journal = tmp_path / "report.json", tmp_path / "journal"
    shares = ("--malformed-share", "0.1", "--duplicate-share", "0.1")
    process = start(
        broker, "--rate", "2000", *shares, "--seed", "1", "--journal", str(journal), "--report", str(report)
    )
    wait_for_report(report, state="running", error="")
    time.sleep(2.5)
    process.kill()
    process.communicate(timeout=30)
    told = json.loads(report.read_text())
    found = read(journal)
    assert found.acknowledged >= told["acknowledged"] - told["malformed"] > 0
    assert all(row.event_id.startswith(found.id_prefix) for row in found.sent)
