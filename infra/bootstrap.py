"""Create the environment. It runs before anything is installed, so it needs the standard library alone.

    python3 infra/bootstrap.py

Makes `.stack/venv` from the hash-locked `requirements.lock`; does nothing when that is up to date.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

REPOSITORY = Path(__file__).resolve().parents[1]
STACK = REPOSITORY / ".stack"
VENV = STACK / "venv"
LOCK = REPOSITORY / "requirements.lock"
STAMP = VENV / ".requirements-sha256"
LOG = STACK / "set-up.log"
SUPPORTED = ((3, 10), (3, 11), (3, 12))
NEEDED_BYTES = 4 * 1024**3
PROGRESS_INTERVAL_S = 5.0
# A script of the shell and of Python at once, as pip's are: the path of an interpreter may have spaces.
COMMAND = """\
#!/bin/sh
'''exec' {python} -W ignore "$0" "$@"
' '''
import sys

sys.path[0] = {repository!r}
from orchestration.pi3.app import main

main()
"""


def main() -> None:
    """Bring `.stack/venv` in line with the lock, or end with one line that says what to do."""
    use_supported_python()
    wanted = hashlib.sha256(LOCK.read_bytes() + str(VENV).encode()).hexdigest()
    # A link to an interpreter that was removed since does not exist.
    if (VENV / "bin" / "python").exists() and STAMP.exists() and STAMP.read_text() == wanted:
        return
    check_disk()
    say("setting up .stack/venv (about 1.3 GB; takes a minute or two, once)")
    started = time.monotonic()
    make_venv()
    install()
    write_command()
    STAMP.write_text(wanted)
    say(f"environment ready after {time.monotonic() - started:.0f} s")


def use_supported_python() -> None:
    """Go on under a supported interpreter from PATH when this one is not supported."""
    if sys.version_info[:2] in SUPPORTED:
        return
    for major, minor in reversed(SUPPORTED):
        other = shutil.which(f"python{major}.{minor}")
        if other and subprocess.run([other, "--version"], capture_output=True, check=False).returncode == 0:
            os.execv(other, [other, *sys.argv])
    version = ".".join(map(str, sys.version_info[:3]))
    fail(
        f"Python {version} at {sys.executable} is not supported; install Python 3.10, 3.11 or 3.12, "
        "or name one: make PYTHON=/path/to/python3.12"
    )


def check_disk() -> None:
    """Refuse to start an installation that the disk cannot hold."""
    try:
        STACK.mkdir(exist_ok=True)
        LOG.write_text("")
    except OSError as error:
        fail(f"cannot write to {STACK} ({error.strerror}): give yourself write permission, or move the clone")
    free = shutil.disk_usage(STACK).free
    if free < NEEDED_BYTES:
        fail(
            f"{STACK} has {free / 1024**3:.1f} GiB free and set-up needs {NEEDED_BYTES / 1024**3:.0f}; "
            "free some space or move the clone to a larger disk"
        )


def make_venv() -> None:
    """A virtual environment; one that does not run any more, or whose scripts name another place, is replaced."""
    pip = VENV / "bin" / "pip"
    if pip.exists() and str(VENV) in pip.read_text("utf-8", errors="replace"):
        version = [str(VENV / "bin" / "python"), "-m", "pip", "--version"]
        if subprocess.run(version, capture_output=True, check=False).returncode == 0:
            return
    run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        "cannot create a virtual environment; on Debian and Ubuntu install the package python3-venv",
    )


def install() -> None:
    """Install the lock: uv (itself from the lock) is five times faster than pip; pip serves where uv finds no index."""
    python = str(VENV / "bin" / "python")
    flags = ["install", "--quiet", "--no-deps", "--require-hashes"]
    pip = [python, "-m", "pip", *flags, "--disable-pip-version-check"]
    uv = [python, "-m", "uv", "pip", *flags, "--python", python, "--cache-dir", str(STACK / "cache" / "uv")]
    advice = (
        "cannot install the packages: check the network, pip's proxy and index settings and the free space, then run "
        "the command again"
    )
    uv_lock = VENV / "uv.lock"
    uv_lock.write_text(requirement("uv"))
    run([*pip, "-r", str(uv_lock)], advice)
    say("installing the locked packages")
    if not succeeds([*uv, "-r", str(LOCK)]):
        say("uv did not succeed; trying again with pip, which takes a minute longer")
        run([*pip, "-r", str(LOCK)], advice)
    shutil.rmtree(STACK / "cache" / "uv", ignore_errors=True)


def write_command() -> None:
    """The operator's command `pi3`: the project is no package, so nothing else installs it."""
    command = VENV / "bin" / "pi3"
    python = shlex.quote(str(VENV / "bin" / "python"))
    command.write_text(COMMAND.format(python=python, repository=str(REPOSITORY)))
    command.chmod(0o755)


def requirement(name: str) -> str:
    """The lines of one package in the lock: `name==version \\` and its hashes."""
    lines = LOCK.read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"{name}=="))
    last = next(number for number in range(first, len(lines)) if not lines[number].endswith("\\"))
    return "\n".join(lines[first : last + 1]) + "\n"


def run(command: list[str], advice: str) -> None:
    """Run a step of set-up, or end with its advice and its own last complaint."""
    if not succeeds(command):
        complaints = [line.strip() for line in LOG.read_text(errors="replace").splitlines() if "error" in line.lower()]
        fail(f"{advice} (its output is in {LOG}{'; ' + complaints[-1] if complaints else ''})")


def succeeds(command: list[str]) -> bool:
    """Run a command with its output in the log, and show that it goes on."""
    started, free = time.monotonic(), shutil.disk_usage(STACK).free
    with LOG.open("a") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        while True:
            try:
                return process.wait(timeout=PROGRESS_INTERVAL_S) == 0
            except subprocess.TimeoutExpired:
                written = max(0, free - shutil.disk_usage(STACK).free) / 1024**2
                say(f"  at work for {time.monotonic() - started:.0f} s, about {written:,.0f} MiB written")


def say(text: str) -> None:
    print(f"[set-up] {text}", flush=True)


def fail(text: str) -> NoReturn:
    sys.exit(f"error: {text}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        fail("interrupted; run the command again to go on")
    except OSError as error:
        fail(f"set-up in {STACK} failed ({error}): check its permissions and the free space")
