"""Submission by a program of its own: the control plane never loads PyFlink."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence

from orchestration.errors import ConfigurationError, TransientError

CONFIGURATION_EXIT_CODE = 2


def submit(command: Sequence[str], environment: Mapping[str, str], timeout_s: float, directory: str) -> str:
    """Run a program that submits a job and prints `{"job_id": ...}` as its last line; returns the job's id.

    Raises:
        ConfigurationError: the program says that a setting is wrong (exit code 2).
        TransientError: it failed otherwise, or took longer than `timeout_s`; whether a job was submitted is unknown.
    """
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            cwd=directory,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TransientError(
            f"the submission took longer than {timeout_s:.0f} s; look for the job before a retry"
        ) from error
    if done.returncode == CONFIGURATION_EXIT_CODE:
        raise ConfigurationError(_last_line(done.stderr))
    if done.returncode != 0:
        raise TransientError(f"the submission failed: {_last_line(done.stderr) or f'exit code {done.returncode}'}")
    return str(json.loads(_last_line(done.stdout))["job_id"])


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
