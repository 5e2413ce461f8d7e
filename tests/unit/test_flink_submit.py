"""Submitting by a program: real child processes."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from orchestration.errors import ConfigurationError, TransientError
from orchestration.flink.errors import RestoreFailed, SubmitFailed, SubmitRejected
from orchestration.flink.submit import failure, submit

TRACE = """Traceback (most recent call last):
py4j.protocol.Py4JJavaError: An error occurred
org.apache.flink.util.FlinkException: it broke
\tat org.apache.flink.A.b(A.java:1)
\t... 12 more
"""


def run(code: str, timeout_s: float = 20, cwd: str | None = None) -> str:
    """Submit by a Python program."""
    return submit([sys.executable, "-c", code], dict(os.environ), timeout_s, cwd)


def test_the_id_is_the_last_line_that_tells_one() -> None:
    assert run("print('JVM says'); print('{\"job_id\": \"a1\"}'); print('[1]'); print('null')") == "a1"


def test_environment_and_folder_are_passed_on(tmp_path: Path) -> None:
    code = "import os, json; print(json.dumps({'job_id': os.environ['X'] + os.getcwd()}))"
    assert submit([sys.executable, "-c", code], {**os.environ, "X": "y"}, 20, str(tmp_path)) == f"y{tmp_path}"


@pytest.mark.parametrize(
    ("code", "error", "base"),
    [
        (1, SubmitFailed, TransientError),
        (2, SubmitRejected, ConfigurationError),
        (3, RestoreFailed, TransientError),
        (-9, SubmitFailed, TransientError),
    ],
)
def test_exit_codes(code: int, error: type[Exception], base: type[Exception]) -> None:
    found = failure(["flink"], code, "noise\nthe reason\n\n")
    assert type(found) is error
    assert isinstance(found, base)
    assert str(found) == "the reason"


def test_stack_frames_are_no_reason() -> None:
    assert str(failure(["flink"], 1, TRACE)) == "org.apache.flink.util.FlinkException: it broke"


def test_silence_is_named() -> None:
    assert str(failure(["flink", "run"], 1, "\n")) == "flink run failed with exit code 1 and said nothing"


def test_a_program_that_fails() -> None:
    with pytest.raises(SubmitRejected, match=r"^job spec: bad$"):
        run("import sys; sys.stderr.write('job spec: bad\\n'); sys.exit(2)")


def test_a_program_that_prints_no_id() -> None:
    with pytest.raises(SubmitFailed, match="printed no job_id"):
        run("print('done')")


def test_a_timeout_ends_the_program_and_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = (
        "import subprocess, sys, time, pathlib;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(child.pid)); time.sleep(60)"
    )
    with pytest.raises(SubmitFailed, match="did not end within 2 s"):
        run(code, timeout_s=2)
    child, deadline = int(pid_file.read_text()), time.monotonic() + 10
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.05)
