"""The supervisor of one stack, and processes that outlived it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from supervisor.options import ServerOptions
from supervisor.states import ProcessStates

from infra.local import supervisor
from infra.local.errors import SetupError
from infra.local.paths import REPOSITORY, StackPaths
from infra.local.program import Program
from infra.local.supervisor import MARKER, Supervisor, end_orphans, is_alive, orphans, wait_until
from infra.local.supervisord import LONGEST_WAIT_S, Server

SLEEP = "import signal, time\nprint('up', flush=True)\n{}\ntime.sleep(60)"
DEFAULT_TERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_DFL)\n"
IGNORE_TERM = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"

Launch = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def launch() -> Iterator[Launch]:
    """Processes that carry the marker of a stack; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start(root: Path, setup: str = "", marker: str = MARKER) -> subprocess.Popen[str]:
        # The handler must be in place before anybody sends a signal; and Dagster, once it has run anything in this
        # process, lets TERM mean what INT does, which is nothing where a shell started the tests in the background.
        code = DEFAULT_TERM + SLEEP.format("").replace("print", f"{setup}\nprint")
        process = subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, marker: str(root)}, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def paths(tmp_path: Path) -> StackPaths:
    """A stack in a folder with a space and a percent sign."""
    found = StackPaths(tmp_path / "5% s")
    found.make()
    return found


def test_only_processes_with_this_stacks_marker_are_orphans(tmp_path: Path, launch: Launch) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    ours = {launch(mine).pid, launch(mine).pid}
    launch(other)
    launch(mine, marker="ANOTHER_VARIABLE")
    assert {process.pid for process in orphans(mine)} == ours


def test_an_ended_process_that_nobody_waited_for_is_no_orphan(tmp_path: Path, launch: Launch) -> None:
    process = launch(tmp_path)
    process.kill()
    assert wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE, 5)
    assert not is_alive(process.pid)
    assert orphans(tmp_path) == []
    assert end_orphans(tmp_path, timeout_s=0.5) == 0


# Only who ignores TERM is waited for in vain; a loaded machine may take its time with the other.
@pytest.mark.parametrize(
    ("setup", "timeout_s", "signal_number"), [("", 20, signal.SIGTERM), (IGNORE_TERM, 1, signal.SIGKILL)]
)
def test_orphans_are_asked_to_end_and_then_made_to(
    setup: str, timeout_s: float, signal_number: signal.Signals, tmp_path: Path, launch: Launch
) -> None:
    process, stranger = launch(tmp_path / "mine", setup), launch(tmp_path / "other")
    assert end_orphans(tmp_path / "mine", timeout_s) == 1
    assert process.wait(1) == -signal_number
    assert stranger.poll() is None


def test_nothing_to_end(tmp_path: Path) -> None:
    assert end_orphans(tmp_path) == 0


def test_waiting_ends_with_the_condition_or_the_time() -> None:
    answers = iter([False, False, True])
    assert wait_until(lambda: next(answers), 5)
    assert not wait_until(lambda: False, 0)


def test_the_configuration_is_read_back_as_meant(paths: StackPaths) -> None:
    program = Program("sleeper", ("/bin/sleep", "a b"), {"X": "1"})
    (paths.conf / "supervisord.conf").write_text(Supervisor(paths)._configuration([program]))
    options = ServerOptions()
    options.realize(["-c", str(paths.conf / "supervisord.conf")])
    assert (options.logfile, options.pidfile) == (
        str(paths.log / "supervisord.log"),
        str(paths.run / "supervisord.pid"),
    )
    (server,) = options.server_configs
    assert (server["file"], server["chmod"]) == (str(paths.run / "supervisor.sock"), 0o700)
    assert [group.name for group in options.process_group_configs] == ["sleeper"]


def test_a_socket_path_beyond_the_kernels_limit_is_refused(tmp_path: Path) -> None:
    paths = StackPaths(tmp_path / ("x" * 100))
    paths.make()
    with pytest.raises(SetupError, match="too long for a Unix socket: move the clone to a shorter path"):
        Supervisor(paths).start([], {})
    assert not (paths.conf / "supervisord.conf").exists()


def test_a_supervisor_that_does_not_start_says_why_in_one_line(
    paths: StackPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "render", lambda *_: "[program:x]\npriority=high\n")
    with pytest.raises(SetupError, match=r"^supervisord did not start with .*\.conf: Error: .*high") as caught:
        Supervisor(paths).start([Program("x", ("true",))], dict(os.environ))
    assert "\n" not in str(caught.value)


def test_without_a_supervisor_there_is_nothing_to_see(paths: StackPaths) -> None:
    silent = Supervisor(paths)
    assert not silent.is_running()
    assert silent.states() == []
    assert silent.last_lines("kafka") == ""


def test_what_cannot_start_is_tried_again_until_it_can(paths: StackPaths) -> None:
    """More often than supervisord does of itself."""
    running, cause = Supervisor(paths), paths.run / "cause"
    cause.touch()
    code = f"import os, time; os.path.exists({str(cause)!r}) and exit(1); time.sleep(60)"
    running.start([Program("server", (sys.executable, "-S", "-c", code))], dict(os.environ))
    try:
        assert wait_until(lambda: running.states()[0].state == "BACKOFF", 10)
        running.stop_failing()
        assert running.states()[0].state == "STOPPED"
        running.ensure_started()
        starts: set[int] = set()

        def tried_often() -> bool:
            starts.add(running.states()[0].started_at)
            return len(starts) > 4

        assert wait_until(tried_often, 30)
        cause.unlink()
        assert wait_until(lambda: running.states()[0].state == "RUNNING", LONGEST_WAIT_S + 10)
    finally:
        running.stop()


@pytest.mark.parametrize(("attempts", "wait_s"), [(0, 1), (2, 3), (4, 5), (5, 5), (1000, 5)])
def test_the_wait_before_the_next_attempt_grows_to_a_bound(attempts: int, wait_s: float) -> None:
    server = Server.__new__(Server)
    server.state, server.backoff = ProcessStates.STARTING, attempts
    before = time.time()
    server.change_state(ProcessStates.BACKOFF)
    assert before + wait_s <= server.delay <= time.time() + wait_s


def test_what_dies_is_started_again_and_all_ends_with_the_supervisor(paths: StackPaths) -> None:
    running = Supervisor(paths)
    command = (sys.executable, "-u", "-c", "import os, time; print('variable', os.environ['X']); time.sleep(60)")
    running.start([Program("sleeper", command, {"X": "5% a b"})], dict(os.environ))
    try:
        (first,) = running.states()
        assert wait_until(lambda: running.last_lines("sleeper") == "variable 5% a b", 10)
        assert {process.pid for process in orphans(paths.root)} >= {first.pid}
        os.kill(first.pid, signal.SIGKILL)
        assert wait_until(lambda: running.states()[0].pid not in (0, first.pid), 10)
        running._call("stopProcess", "sleeper")
        running.ensure_started()
        assert wait_until(lambda: running.states()[0].state in {"STARTING", "RUNNING"}, 10)
    finally:
        running.stop()
    assert not running.is_running()
    assert orphans(paths.root) == []


IGNORED = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM, signal.SIGTSTP, signal.SIGUSR1, signal.SIGPIPE)


def changeable(mask: str) -> set[int]:
    """The signals of a mask of /proc but 32 and 33, which the C library keeps to itself: nobody can reset those."""
    return {number for number in range(1, 65) if int(mask, 16) >> (number - 1) & 1} & set(signal.valid_signals())


def test_a_server_inherits_no_ignored_or_blocked_signal(paths: StackPaths) -> None:
    """As a shell's background job ignores INT and QUIT, nohup HUP, and Python the end of a pipe."""
    start = f"""
import os, signal
from pathlib import Path
from infra.local.paths import StackPaths
from infra.local.program import Program
from infra.local.supervisor import Supervisor
for number in {tuple(map(int, IGNORED))}:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
server = Program("server", ("/bin/sh", "-c", "grep -E 'Sig(Ign|Blk)' /proc/self/status; exec sleep 60"))
Supervisor(StackPaths(Path({str(paths.root)!r}))).start([server], dict(os.environ))
"""
    running = Supervisor(paths)
    try:
        subprocess.run([sys.executable, "-c", start], check=True, cwd=REPOSITORY)
        assert wait_until(lambda: "SigIgn" in running.last_lines("server"), 10)
        _, blocked, _, ignored = running.last_lines("server").split()
        assert (changeable(blocked), changeable(ignored)) == (set(), set())
    finally:
        running.stop()
