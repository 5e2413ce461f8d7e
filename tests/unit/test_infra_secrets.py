"""Passwords: who may read them, and that they stay."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from infra.local.secrets import NAMES, ensure_passwords, write_private


@pytest.fixture(autouse=True)
def generous_umask() -> object:
    """The mode must not depend on whoever runs the command."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_each_password_is_long_distinct_and_private(tmp_path: Path) -> None:
    ensure_passwords(tmp_path)
    passwords = {name: (tmp_path / name).read_text() for name in NAMES}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    assert len(set(passwords.values())) == len(NAMES)
    assert all(len(password) >= 32 and password.isprintable() for password in passwords.values())
    assert {mode(tmp_path / name) for name in NAMES} == {0o600}


def test_what_exists_is_kept_and_what_is_missing_comes_anew(tmp_path: Path) -> None:
    ensure_passwords(tmp_path)
    before = {name: (tmp_path / name).read_text() for name in NAMES}
    lost = NAMES[-1]
    (tmp_path / lost).unlink()
    ensure_passwords(tmp_path)
    after = {name: (tmp_path / name).read_text() for name in NAMES}
    assert {name for name in NAMES if after[name] != before[name]} == {lost}


def test_every_password_but_the_superusers_is_named_after_a_setting() -> None:
    from orchestration.settings import Settings

    settings = {f"pi3_{name}" for name in Settings.model_fields if re.fullmatch("postgres_.*_password", name)}
    assert set(NAMES) - {"postgres_superuser_password"} == settings


def test_a_file_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("a longer text that was there before")
    path.chmod(0o644)
    write_private(path, "new")
    assert (path.read_text(), mode(path)) == ("new", 0o600)
