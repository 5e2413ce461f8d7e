"""quix-streams' PostgreSQL sink, in one process or two of one group, in an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from bench.contestants.contestant import Contestant, Race, Starter, running, sessions
from bench.processes import Program
from bench.table import PLAIN
from orchestration.settings import REPOSITORY

__all__ = ["QUIX_1", "QUIX_2"]

LOCK: Final = REPOSITORY / "bench" / "requirements-quix.lock"
PROGRAM: Final = REPOSITORY / "bench" / "programs" / "quix_sink.py"


def _starter(processes: int) -> Starter:
    def start(race: Race) -> AbstractContextManager[list[Program]]:
        python = race.kept.get("quix") or _install(race.site.stack.paths.root / "quix")
        race.kept["quix"] = python
        state = race.site.stack.paths.run / race.run
        command = (str(python), str(PROGRAM), race.site.settings.kafka_bootstrap_servers, race.topic, race.run, PLAIN)
        return running(
            [
                Program(
                    f"quix-{n}", (*command, f"{state}-{n}"), race.site.folder / f"{race.run}-{n}.log",
                    sessions(race.site),
                )
                for n in range(1, processes + 1)
            ]
        )  # fmt: skip

    return start


def _install(folder: Path) -> Path:
    """The interpreter of the environment in the folder, brought in line with the lock.

    Raises:
        RuntimeError: its packages are not to be had.
    """
    python = folder / "bin" / "python"
    uv = (sys.executable, "-m", "uv")
    install = (*uv, "pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(LOCK))
    make = (*uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder))
    for command in (make, install):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip().partition("\n")[0])
    return python


QUIX_1 = Contestant("quix-1", _starter(1))
QUIX_2 = Contestant("quix-2", _starter(2))
