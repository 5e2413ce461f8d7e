"""A supervised program, and how it is written down for supervisord."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

ENDLESSLY = 2**31


@dataclass(frozen=True)
class Program:
    """One long-running server.

    `priority` orders starts (low first) and stops (high first); `stop_signal` asks for an orderly end, and after
    `stop_wait_s` seconds the whole process group is killed.
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    priority: int = 100
    stop_signal: str = "TERM"
    stop_wait_s: int = 15


def render(program: Program, log: Path, directory: Path) -> str:
    """The `[program:x]` section: started again whenever it has died, its output in one rotated file."""
    environment = ",".join(f'{name}="{_escape(value)}"' for name, value in sorted(program.environment.items()))
    lines = {
        "command": _escape(shlex.join(program.command)),
        "directory": _escape(str(directory)),
        "environment": environment,
        "priority": program.priority,
        "autorestart": "true",
        "startsecs": 2,
        "startretries": ENDLESSLY,
        "stopsignal": program.stop_signal,
        "stopwaitsecs": program.stop_wait_s,
        "stopasgroup": "false",
        "killasgroup": "true",
        "redirect_stderr": "true",
        # supervisord expands this one twice.
        "stdout_logfile": _escape(_escape(str(log / f"{program.name}.log"))),
        "stdout_logfile_maxbytes": "20MB",
        "stdout_logfile_backups": 2,
    }
    return f"[program:{program.name}]\n" + "".join(f"{key}={value}\n" for key, value in lines.items())


def _escape(value: str) -> str:
    return value.replace("%", "%%")
