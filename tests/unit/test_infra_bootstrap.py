"""Set-up: what it demands before it starts, and how it fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra import bootstrap


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty clone."""
    stack = tmp_path / "my clone" / ".stack"
    stack.parent.mkdir()
    for name, path in {
        "STACK": stack,
        "VENV": stack / "venv",
        "STAMP": stack / "venv" / "stamp",
        "LOG": stack / "set-up.log",
    }.items():
        monkeypatch.setattr(bootstrap, name, path)
    return stack


def executable(folder: Path, name: str, exit_code: int = 0) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\nexit {exit_code}\n")
    path.chmod(0o755)


def test_the_lock_pins_uv_with_its_hashes() -> None:
    first, *hashes = bootstrap.requirement("uv").splitlines()
    assert first.startswith("uv==")
    assert hashes
    assert all(line.strip().startswith("--hash=sha256:") for line in hashes)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a", "a==1 \\\n    --hash=x \\\n    --hash=y\n"), ("b", "b==2\n"), ("c", "c==3 \\\n    --hash=z\n")],
)
def test_one_package_of_a_lock(name: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("aa==9\na==1 \\\n    --hash=x \\\n    --hash=y\nb==2\nc==3 \\\n    --hash=z\n")
    monkeypatch.setattr(bootstrap, "LOCK", lock)
    assert bootstrap.requirement(name) == expected


@pytest.mark.parametrize("version", bootstrap.SUPPORTED)
def test_a_supported_python_goes_on(version: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (*version, 1))
    monkeypatch.setattr(os, "execv", lambda *_: pytest.fail("replaced a supported interpreter"))
    bootstrap.use_supported_python()


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 13, 0), (4, 0, 0)])
@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"python3.12": 0, "python3.10": 0}, "python3.12"),
        ({"python3.10": 0}, "python3.10"),
        # What pyenv puts on PATH for a version that is not installed.
        ({"python3.12": 127, "python3.11": 0}, "python3.11"),
    ],
)
def test_another_python_of_path_takes_over(
    version: tuple[int, ...],
    found: dict[str, int],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, exit_code in found.items():
        executable(tmp_path, name, exit_code)
    started: list[list[str]] = []
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(sys, "argv", ["infra/bootstrap.py"])

    def execv(_: str, command: list[str]) -> None:
        started.append(command)
        sys.exit(0)  # the real one does not return either

    monkeypatch.setattr(os, "execv", execv)
    with pytest.raises(SystemExit):
        bootstrap.use_supported_python()
    assert started == [[str(tmp_path / expected), "infra/bootstrap.py"]]


def test_without_a_supported_python_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "version_info", (3, 13, 1, "final", 0))
    with pytest.raises(SystemExit, match=r"^error: Python 3\.13\.1 at .* install Python 3\.10, 3\.11 or 3\.12, .*make"):
        bootstrap.use_supported_python()


def test_a_disk_that_is_too_small_is_named(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap.check_disk()
    monkeypatch.setattr(bootstrap, "NEEDED_BYTES", 1024**6)
    with pytest.raises(SystemExit, match=rf"^error: {clone} has [\d.]+ GiB free and set-up needs \d+; free some space"):
        bootstrap.check_disk()


def test_a_clone_that_cannot_be_written_is_named(clone: Path) -> None:
    clone.write_text("a file in the place of the folder")
    with pytest.raises(SystemExit, match=rf"^error: cannot write to {clone} \(File exists\): .*permission"):
        bootstrap.check_disk()


def test_a_failing_step_ends_with_its_advice_and_last_complaint(clone: Path) -> None:
    clone.mkdir()
    code = "print('ERROR: first'); print('ERROR: the disk is full'); print('bye'); raise SystemExit(3)"
    with pytest.raises(SystemExit) as caught:
        bootstrap.run([sys.executable, "-c", code], "cannot do it: check this")
    assert str(caught.value) == (
        f"error: cannot do it: check this (its output is in {bootstrap.LOG}; ERROR: the disk is full)"
    )


def test_a_long_step_shows_that_it_goes_on(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clone.mkdir()
    monkeypatch.setattr(bootstrap, "PROGRESS_INTERVAL_S", 0.05)
    assert bootstrap.succeeds([sys.executable, "-c", "import time; print('loud'); time.sleep(0.5)"])
    out = capsys.readouterr().out
    assert "[set-up]   at work for 0 s, about" in out
    assert "loud" not in out
    assert bootstrap.LOG.read_text() == "loud\n"


@pytest.mark.parametrize(("interpreter", "installed"), [(True, False), (False, True)])
def test_set_up_runs_again_when_the_interpreter_is_gone(
    interpreter: bool, installed: bool, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    steps: list[str] = []
    monkeypatch.setattr(bootstrap, "make_venv", lambda: steps.append("venv"))
    monkeypatch.setattr(bootstrap, "install", lambda: steps.append("install"))
    (bootstrap.VENV / "bin").mkdir(parents=True)
    target = sys.executable if interpreter else "/nonexistent/python"
    (bootstrap.VENV / "bin" / "python").symlink_to(target)
    bootstrap.STAMP.write_text(hashlib.sha256(bootstrap.LOCK.read_bytes() + str(bootstrap.VENV).encode()).hexdigest())
    bootstrap.main()
    assert steps == (["venv", "install"] if installed else [])
    assert clone.exists()


def test_set_up_runs_again_in_a_clone_that_was_moved(
    clone: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runs: list[Path] = []
    monkeypatch.setattr(bootstrap, "make_venv", lambda: (bootstrap.VENV / "bin").mkdir(parents=True, exist_ok=True))
    monkeypatch.setattr(bootstrap, "install", lambda: runs.append(bootstrap.VENV))
    bootstrap.main()
    (bootstrap.VENV / "bin" / "python").symlink_to(sys.executable)
    bootstrap.main()
    assert runs == [bootstrap.VENV]
    moved = clone.rename(tmp_path / ".stack")
    monkeypatch.setattr(bootstrap, "STACK", moved)
    monkeypatch.setattr(bootstrap, "VENV", moved / "venv")
    monkeypatch.setattr(bootstrap, "STAMP", moved / "venv" / "stamp")
    monkeypatch.setattr(bootstrap, "LOG", moved / "set-up.log")
    bootstrap.main()
    assert runs[1:] == [moved / "venv"]


def test_the_command_runs_the_project_from_any_folder(clone: Path, tmp_path: Path) -> None:
    (bootstrap.VENV / "bin").mkdir(parents=True)
    python = bootstrap.VENV / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    bootstrap.write_command()
    command = [str(clone / "venv" / "bin" / "pi3"), "job", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Example: pi3 job status" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("place", "runs", "replaced"), [(None, True, False), ("/somewhere/else", True, True), (None, False, True)]
)
def test_an_environment_that_was_moved_or_is_broken_is_replaced(
    place: str | None, runs: bool, replaced: bool, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = bootstrap.VENV / "bin"
    scripts.mkdir(parents=True)
    (scripts / "pip").write_text(f"#!{place or scripts}/python\n")
    executable(scripts, "python", 0 if runs else 1)
    made: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "run", lambda command, _: made.append(command))
    bootstrap.make_venv()
    assert made == ([[sys.executable, "-m", "venv", "--clear", str(bootstrap.VENV)]] if replaced else [])
    assert clone.exists()
