"""Run a program that submits a job and prints `{"job_id": "..."}`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from orchestration.errors import Pi3Error
from orchestration.flink.errors import RestoreFailed, SubmitFailed, SubmitRejected

# What a program says by its exit code; any other failure may pass. argparse ends with 2, too.
EXIT_CODES: Final[Mapping[int, type[Pi3Error]]] = {2: SubmitRejected, 3: RestoreFailed}


def submit(
    argv: Sequence[str],
    env: Mapping[str, str],
    timeout_s: float,
    cwd: str | None = None,
    inherited: Sequence[int] = (),
) -> str:
    """The id of the submitted job; the program also gets the file descriptors `inherited`.

    Raises:
        SubmitRejected: exit code 2; the message is the last line of the program's stderr.
        RestoreFailed: exit code 3.
        SubmitFailed: any other failure, or no end within `timeout_s`; the program and its children are killed then.
    """
    program = subprocess.Popen(
        list(argv), env=dict(env), cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        errors="replace", start_new_session=True, pass_fds=tuple(inherited),
    )  # fmt: skip
    try:
        output, complaints = program.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise SubmitFailed(f"{_name(argv)} did not end within {timeout_s:g} s; is Flink overloaded?") from error
    finally:
        _end_group(program)
    if program.returncode != 0:
        raise failure(argv, program.returncode, complaints)
    return parse_job_id(argv, output)


def parse_job_id(argv: Sequence[str], output: str) -> str:
    """The job id of the last line that tells one; a JVM may print lines of its own.

    Raises: SubmitFailed when there is none.
    """
    for line in reversed(output.splitlines()):
        try:
            told = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(told, dict) and isinstance(told.get("job_id"), str):
            return str(told["job_id"])
    raise SubmitFailed(f"{_name(argv)} ended well but printed no job_id; its output ended: {output.strip()[-200:]!r}")


def failure(argv: Sequence[str], returncode: int, complaints: str) -> Pi3Error:
    """The error for a program that failed: its last line of stderr that is no Java stack frame."""
    lines = [line.strip() for line in complaints.splitlines()]
    meaningful = [line for line in lines if line and not line.startswith(("at ", "...", "~", "^"))]
    kind = EXIT_CODES.get(returncode, SubmitFailed)
    return kind(meaningful[-1] if meaningful else f"{_name(argv)} failed with exit code {returncode} and said nothing")


def _end_group(program: subprocess.Popen[str]) -> None:
    """Leave no JVM behind: it would submit the job later, when nobody waits for it any more."""
    try:
        os.killpg(program.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        program.wait()
        for pipe in (program.stdout, program.stderr):
            if pipe:
                pipe.close()


def _name(argv: Sequence[str]) -> str:
    return " ".join(argv[:3])
