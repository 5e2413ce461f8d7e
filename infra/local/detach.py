"""Programs that outlive whoever starts them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

# A shell that ends at once: the program is then no child of ours, which we would have to wait for when it ends.
DETACH = 'log=$1; shift; "$@" >>"$log" 2>&1 & echo $!'


def detach(
    command: Sequence[str], log: Path, directory: str | None = None, environment: Mapping[str, str] | None = None
) -> int:
    """Start a program in a session of its own, its output appended to `log`; returns its process id."""
    shell = subprocess.run(
        ("/bin/sh", "-c", DETACH, "sh", str(log), *command),
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
        check=True,
    )
    return int(shell.stdout)
