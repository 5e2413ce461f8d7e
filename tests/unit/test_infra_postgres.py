"""How initdb gets the superuser's password, whichever user it runs as."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from infra.local.postgres import NOBODY, _readable_once

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to run a program as another user")
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--")


@pytest.mark.parametrize("user", [(), pytest.param(AS_NOBODY, marks=needs_root)])
def test_the_password_can_be_read_by_who_owns_the_data(user: tuple[str, ...], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if user:
        os.chown(data, int(NOBODY), int(NOBODY))
    with _readable_once("a secret", data) as pipe:
        # By name, as initdb opens its --pwfile.
        done = subprocess.run((*user, "cat", "/dev/stdin"), stdin=pipe, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("a secret", "")


def test_it_is_readable_before_there_is_a_folder(tmp_path: Path) -> None:
    with _readable_once("a secret", tmp_path / "none") as pipe:
        assert os.read(pipe, 100) == b"a secret"
