"""Dagster jobs that a command launches and follows, so that Dagster keeps the history."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from orchestration.pi3 import servers
from orchestration.pi3.output import Row, note, show

Timeout = Annotated[float, typer.Option("--timeout", min=1, help="Seconds to follow the run; it goes on by itself.")]
STEP_S: Final = 300.0


def launch(job: str, run_config: Mapping[str, Any], timeout_s: float, as_json: bool) -> None:
    """Launch a Dagster job, and show how it ended; errors as in `run`."""
    show({"runs": [run(job, run_config, timeout_s)]}, as_json)


def run(job: str, run_config: Mapping[str, Any], timeout_s: float) -> Row:
    """Launch a Dagster job and follow it to its end.

    Raises:
        RunFailedError: it failed; the message says why.
        ConfigurationError: Dagster refuses the job's configuration.
        TransientError: Dagster is out of reach, or the run has not ended in time; then it goes on.
    """
    from orchestration.cli.commands import STEP_WORDS

    def tell(step: str, state: str) -> None:
        if state in STEP_WORDS:
            note(f"[{time.strftime('%H:%M:%S')}] {step} {STEP_WORDS[state]}")

    dagster = servers.connect().dagster
    result = dagster.run(job, tell, timeout_s, run_config)
    return {"job": job, "state": result.status, "run": dagster.run_url(result.run_id)}
