"""supervisord: keeps the servers running and starts again what dies. Its only listener is a Unix socket, mode 0700."""

from __future__ import annotations

import subprocess
import time
import xmlrpc.client
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from infra.local.errors import SetupError, in_one_line
from infra.local.paths import REPOSITORY, StackPaths
from infra.local.program import Program, render

# Every process of a stack carries this variable, so what outlives its supervisor can be told from strangers.
MARKER = "SUPERVISED_BY_PI3"
SOCKET_PATH_LIMIT = 100


@dataclass(frozen=True)
class ProcessState:
    """What supervisord says of a program: `state` is RUNNING, STARTING, BACKOFF, FATAL, STOPPED ..."""

    name: str
    state: str
    pid: int
    started_at: int


class Supervisor:
    """The supervisord of one stack."""

    def __init__(self, paths: StackPaths) -> None:
        self._paths = paths
        self._socket = paths.run / "supervisor.sock"
        self._pid_file = paths.run / "supervisord.pid"
        self._conf = paths.conf / "supervisord.conf"

    def is_running(self) -> bool:
        """Whether the supervisor answers."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except (OSError, xmlrpc.client.Error):
            return False

    def start(self, programs: Sequence[Program], environment: dict[str, str]) -> None:
        """Start supervisord, which starts the programs.

        Raises:
            SetupError: the socket's path is too long for the kernel, or supervisord does not come up.
        """
        if len(str(self._socket)) > SOCKET_PATH_LIMIT:
            raise SetupError(f"{self._socket} is too long for a Unix socket: move the clone to a shorter path")
        self._conf.write_text(self._configuration(programs))
        command = (str(self._paths.python), "-W", "ignore", "-m", "infra.local.supervisord", "-c", str(self._conf))
        marked = {**environment, MARKER: str(self._paths.root)}
        done = subprocess.run(command, env=marked, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        if done.returncode != 0 or not wait_until(self.is_running, 10):
            complaint = in_one_line(done.stderr or done.stdout) or f"see {self._files().log}"
            raise SetupError(f"supervisord did not start with {self._conf}: {complaint}")

    def stop(self) -> None:
        """Stop every program in its orderly way, then supervisord; returns when all have ended."""
        pid = self._call("getPID")
        self._call("shutdown")
        wait_until(lambda: not is_alive(int(pid)), 120)

    def states(self) -> list[ProcessState]:
        """One state per program; empty when the supervisor is not running."""
        if not self.is_running():
            return []
        return [
            ProcessState(info["name"], info["statename"], info["pid"], info["start"])
            for info in self._call("getAllProcessInfo")
        ]

    def ensure_started(self) -> None:
        """Start the programs that were stopped, by hand or because the first start had failed."""
        for state in self.states():
            if state.state in {"STOPPED", "EXITED", "FATAL"}:
                self.start_program(state.name)

    def stop_failing(self) -> None:
        """Stop the programs that end again and again as soon as they are started."""
        for state in self.states():
            if state.state == "BACKOFF":
                self.stop_program(state.name)

    def stop_program(self, name: str) -> None:
        """Stop one program in its orderly way, and leave it so; returns when it has ended."""
        try:
            self._call("stopProcess", name, True)
        except xmlrpc.client.Fault as fault:
            if not fault.faultString.startswith("NOT_RUNNING"):
                raise

    def start_program(self, name: str) -> None:
        """Start one program, if it is not running; returns at once.

        Raises:
            SetupError: it cannot be started.
        """
        try:
            self._call("startProcess", name, False)
        except xmlrpc.client.Fault as fault:
            if not fault.faultString.startswith("ALREADY_STARTED"):
                raise SetupError(f"{name} cannot be started ({fault.faultString}): see its log") from fault

    def last_lines(self, name: str, count: int = 3) -> str:
        """The end of a program's log, for an error message."""
        log = self._paths.log / f"{name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-count:]) if log.exists() else ""

    def _configuration(self, programs: Sequence[Program]) -> str:
        escaped = {name: str(path).replace("%", "%%") for name, path in vars(self._files()).items()}
        head = (
            "[supervisord]\nlogfile={log}\nlogfile_maxbytes=5MB\nlogfile_backups=1\npidfile={pid}\nminfds=1024\n"
            "[unix_http_server]\nfile={socket}\nchmod=0700\n"
            "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        ).format(**escaped)
        return head + "".join(render(program, self._paths.log, REPOSITORY) for program in programs)

    def _files(self) -> _Files:
        return _Files(self._paths.log / "supervisord.log", self._pid_file, self._socket)

    def _call(self, method: str, *arguments: object) -> Any:  # noqa: ANN401 - XML-RPC is untyped
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, serverurl=f"unix://{self._socket}")
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            return getattr(proxy.supervisor, method)(*arguments)


@dataclass(frozen=True)
class _Files:
    log: Path
    pid: Path
    socket: Path


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and that nobody waits for (a container's first process) does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def orphans(root: Path) -> list[psutil.Process]:
    """Processes of the stack at `root`, found by the marker in their environment."""
    return [process for process in psutil.process_iter() if _belongs(process, root)]


def _belongs(process: psutil.Process, root: Path) -> bool:
    try:
        return process.environ().get(MARKER) == str(root) and is_alive(process.pid)
    except psutil.Error:
        return False


def end_orphans(root: Path, timeout_s: float = 20) -> int:
    """End what outlived its supervisor: TERM, then KILL. Returns how many there were."""
    found = orphans(root)
    for signal, wait_s in (("terminate", timeout_s), ("kill", 5.0)):
        for process in found:
            _signal(process, signal)
        if wait_until(lambda: not any(is_alive(process.pid) for process in found), wait_s):
            break
    return len(found)


def _signal(process: psutil.Process, method: str) -> None:
    try:
        getattr(process, method)()
    except psutil.NoSuchProcess:
        return
