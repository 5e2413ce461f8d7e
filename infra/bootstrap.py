"""Create the environment. It runs before anything is installed, so it needs the standard library alone.

    python3 infra/bootstrap.py

Makes `.stack/venv` from the hash-locked `requirements.lock`; does nothing when that is up to date.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
STACK = REPOSITORY / ".stack"
VENV = STACK / "venv"
LOCK = REPOSITORY / "requirements.lock"
STAMP = VENV / ".requirements-sha256"
SUPPORTED = ((3, 10), (3, 11), (3, 12))
NEEDED_BYTES = 4 * 1024**3


def main() -> None:
    """Bring `.stack/venv` in line with the lock, or end with one line that says what to do."""
    use_supported_python()
    wanted = hashlib.sha256(LOCK.read_bytes() + str(VENV).encode()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    check_disk()
    say("setting up .stack/venv (about 1.3 GB; takes a minute or two, once)")
    started = time.monotonic()
    make_venv()
    install()
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
    STACK.mkdir(exist_ok=True)
    free = shutil.disk_usage(STACK).free
    if free < NEEDED_BYTES:
        fail(
            f"{STACK} has {free / 1024**3:.1f} GiB free and set-up needs {NEEDED_BYTES / 1024**3:.0f}; "
            "free some space or move the clone to a larger disk"
        )


def make_venv() -> None:
    """A virtual environment; one whose interpreter does not run any more (a moved clone) is replaced."""
    works = [str(VENV / "bin" / "python"), "-m", "pip", "--version"]
    if (
        Path(works[0]).exists()
        and str(VENV) in subprocess.run(works, capture_output=True, text=True, check=False).stdout
    ):
        return
    run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)],
        "cannot create a virtual environment; on Debian and Ubuntu install the package python3-venv",
    )


def install() -> None:
    """Install the lock: uv (itself from the lock) is five times faster than pip; pip serves where uv finds no index."""
    python = VENV / "bin" / "python"
    pip = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--disable-pip-version-check",
    ]
    advice = "cannot install the packages: check the network and pip's index settings, then run the command again"
    uv_lock = VENV / "uv.lock"
    uv_lock.write_text(requirement("uv"))
    run([*pip, "-r", str(uv_lock)], advice)
    uv = [
        str(python),
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--python",
        str(python),
    ]
    cache = ["--cache-dir", str(STACK / "cache")]
    say("installing the locked packages")
    if subprocess.run([*uv, *cache, "-r", str(LOCK)], check=False).returncode != 0:
        say("uv did not succeed; trying again with pip, which takes a minute longer")
        run([*pip, "-r", str(LOCK)], advice)
    shutil.rmtree(STACK / "cache", ignore_errors=True)


def requirement(name: str) -> str:
    """The lines of one package in the lock: `name==version \\` and its hashes."""
    lines = LOCK.read_text().splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith(f"{name}=="))
    last = next(number for number in range(first, len(lines)) if not lines[number].endswith("\\"))
    return "\n".join(lines[first : last + 1]) + "\n"


def run(command: list[str], advice: str) -> None:
    """Run a step of set-up, or end with its advice."""
    if subprocess.run(command, check=False).returncode != 0:
        fail(advice)


def say(text: str) -> None:
    print(f"[set-up] {text}", flush=True)


def fail(text: str) -> None:
    sys.exit(f"error: {text}")


if __name__ == "__main__":
    main()
