"""raw.json: what was measured, by experiment, with when and on what."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psutil

from orchestration.settings import REPOSITORY
from producer.report import write_atomically

__all__ = ["Raw"]


class Raw:
    """The file in a results folder; each experiment that is kept replaces its former figures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "raw.json"

    def read(self) -> dict[str, Any]:
        """All experiments, by name; empty before the first."""
        return dict(json.loads(self._file.read_text("utf-8"))) if self._file.exists() else {}

    def keep(self, experiment: str, measured: dict[str, Any]) -> None:
        """Write the figures of one experiment."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._file, {**self.read(), experiment: {**measured, "machine": machine()}})


def machine() -> dict[str, Any]:
    """What the figures depend on; no name that would tell one machine from another."""
    return {
        "at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1024**3),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "revision": _revision(),
    }


def _revision() -> str:
    command = ("git", "describe", "--always", "--dirty")
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
