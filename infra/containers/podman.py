"""What Podman needs on this machine, found out by trying: a configuration of ours, and its API served on a socket."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import psutil

from infra.containers.engine import PACKAGES, Engine
from infra.local.detach import detach
from infra.local.errors import SetupError, in_one_line
from infra.local.supervisor import wait_until

# The image's own user and group.
GROUP: Final = 10001
START_TIMEOUT_S: Final = 20.0

CONFIGURATION: Final = "containers.conf"
LIMITS: Final = '[containers]\ndefault_ulimits = ["nofile=20000:20000", "nproc=20000:20000"]\n'
# Tried in this order: in words, and as containers.conf.
CONFIGURATIONS: Final = {
    "as it is configured here": None,
    "with lower limits than its own, which the kernel refuses to raise": LIMITS,
    "with runc and lower limits; its own runtime does not do on these control groups": (
        LIMITS + '[engine]\nruntime = "runc"\n'
    ),
}


def configure(engine: Engine, folder: Path, image: str, say: Callable[[str], None]) -> Engine:
    """The engine with the first configuration that runs a container, and gives it a network.

    Raises:
        SetupError: none does; the message has Podman's words.
    """
    complaint = ""
    for words, text in CONFIGURATIONS.items():
        _write(folder / CONFIGURATION, text)
        candidate = configured(engine, folder)
        tried = candidate.run("run", "--rm", "--network=none", image, "true")
        if tried.returncode == 0:
            _require_network(candidate, image)
            say(f"podman runs containers {words}")
            return candidate
        complaint = complaint or tried.stderr
    raise SetupError(f"podman cannot run a container: {in_one_line(complaint)}")


def _require_network(engine: Engine, image: str) -> None:
    # Its words alone do not help: netavark without iptables says "No such file or directory".
    tried = engine.run("run", "--rm", "--network=bridge", image, "true")
    if tried.returncode:
        raise SetupError(
            f"podman runs containers, but gives them no network: {in_one_line(tried.stderr)}. "
            f"It needs netavark, aardvark-dns and iptables; install those that are missing (on Debian: {PACKAGES})"
        )


def configured(engine: Engine, folder: Path) -> Engine:
    """The engine with the configuration that was found."""
    # Without systemd there are no timers for health checks, and to want one would fail the start of a container.
    timers = {} if Path("/run/systemd/private").exists() else {"DISABLE_HC_SYSTEMD": "true"}
    file = folder / CONFIGURATION
    ours = {"CONTAINERS_CONF": str(file)} if file.exists() else {}
    return replace(engine, environment={**engine.environment, **timers, **ours})


def _write(file: Path, text: str | None) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    if text is not None:
        file.write_text(text)


def serve(engine: Engine, folder: Path) -> tuple[Path, bool]:
    """The socket of Podman's API, which Docker's clients speak to, and whether its service was started just now.

    Raises:
        SetupError: the service does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    socket, pid_file = folder / "podman.sock", folder / "podman.pid"
    if _serving(pid_file) and socket.exists():
        return socket, False
    socket.unlink(missing_ok=True)
    log = folder / "podman.log"
    command = (engine.program, "system", "service", "--time=0", f"unix://{socket}")
    pid_file.write_text(str(detach(command, log, environment=engine.environment)))
    if not wait_until(socket.exists, START_TIMEOUT_S):
        raise SetupError(f"Podman's API is not served within {START_TIMEOUT_S:.0f} s: see {log}")
    if os.geteuid() == 0:
        os.chown(socket, 0, GROUP)
    socket.chmod(0o660)
    return socket, True


def end_service(folder: Path) -> None:
    """End what `serve` started."""
    if process := _serving(folder / "podman.pid"):
        process.terminate()
        process.wait(START_TIMEOUT_S)


def _serving(pid_file: Path) -> psutil.Process | None:
    try:
        process = psutil.Process(int(pid_file.read_text()))
        return process if "service" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None
