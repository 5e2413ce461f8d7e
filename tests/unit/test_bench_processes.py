from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from bench.processes import Program, ProgramEndedError, cpu_s, memory_mb

BUSY = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
PARENT = f"""
import subprocess, sys, time
subprocess.run([sys.executable, "-c", {BUSY!r}])
print("done", flush=True)
time.sleep(60)
"""


def test_the_time_of_a_child_that_has_ended_counts(tmp_path: Path) -> None:
    program = Program("parent", (sys.executable, "-c", PARENT), tmp_path / "log")
    try:
        while "done" not in (tmp_path / "log").read_text():
            program.check()
        assert cpu_s({"parent": program.process})["parent"] >= 0.3
        assert memory_mb({"parent": program.process})["parent"] > 1
    finally:
        program.stop()
    assert not psutil.pid_exists(program.process.pid)


def test_a_program_that_ends_ill_is_told_with_its_last_words(tmp_path: Path) -> None:
    program = Program("rival", (sys.executable, "-c", "import sys; sys.exit('no such table')"), tmp_path / "log")
    with pytest.raises(ProgramEndedError, match="rival ended with 1: no such table"):
        program.wait(30)


def test_what_has_gone_has_used_nothing(tmp_path: Path) -> None:
    program = Program("short", (sys.executable, "-c", ""), tmp_path / "log")
    program.wait(30)
    assert cpu_s({"short": program.process}) == {"short": 0.0}
