"""`pi3 logs`: the end of a server's log, and what is added to it."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Generator
from pathlib import Path
from typing import Annotated, Final

import typer

from orchestration.errors import ConfigurationError
from orchestration.pi3.output import AsJson, show_line
from orchestration.settings import load_settings

POLL_S: Final = 0.5


def names() -> list[str]:
    """Servers that have a log, for the shell's completion."""
    return sorted(path.stem for path in (load_settings().stack_dir / "log").glob("*.log"))


def logs(
    server: Annotated[str, typer.Argument(autocompletion=names, metavar="SERVER")],
    count: Annotated[int, typer.Option("-n", "--lines", min=0, help="So many of the last lines.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until interrupted.")] = False,
    as_json: AsJson = False,
) -> None:
    """The last lines of a server's log, such as kafka, postgres, flink-jobmanager or dagster-daemon."""
    if server not in names():
        known = ", ".join(names()) or "none yet, `make run` starts the servers"
        raise ConfigurationError(f"no log of {server}; there are: {known}")
    path = load_settings().stack_dir / "log" / f"{server}.log"
    for line in lines(path, count, follow):
        text = line.rstrip("\r\n").expandtabs()
        show_line({"server": server, "line": text} if as_json else {"line": text}, as_json)


def lines(path: Path, count: int, follow: bool) -> Generator[str, None, None]:
    """The last lines of a file, then, if it is followed, those that come; its successor's too once it is rotated."""
    with path.open(errors="replace") as log:
        yield from deque(log, maxlen=count)
        while follow:
            if line := log.readline():
                yield line
            elif _replaced(log.fileno(), path):
                break
            else:
                time.sleep(POLL_S)
        else:
            return
    yield from lines(path, 10_000, follow)


def _replaced(descriptor: int, path: Path) -> bool:
    try:
        return os.fstat(descriptor).st_ino != path.stat().st_ino
    except FileNotFoundError:  # between the two steps of a rotation
        return False
