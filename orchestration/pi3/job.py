"""`pi3 job`: the Flink job, through the Dagster jobs that operate it, so that Dagster keeps the history."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from orchestration.errors import ConfigurationError
from orchestration.pi3 import servers
from orchestration.pi3.groups import To
from orchestration.pi3.output import AsJson, Row, note, show
from orchestration.pi3.runs import STEP_S, Timeout, launch

app = typer.Typer(
    name="job", help="The Flink job: state, stop, start, savepoint, replay, reset.", epilog="Example: pi3 job status"
)

RANGE: Final = re.compile(r"(\d+):(\d+)-(\d+)")
REPLAY_S: Final = 6 * 3600.0


@app.command("status", epilog="Example: pi3 job status --json")
def status(as_json: AsJson = False) -> None:
    """What is wanted of the job, what runs, its last checkpoint, and its health. Ends with 1 if that is no good."""
    found = servers.connect()
    verdict = found.dagster.latest_verdict("streaming_job", "stream_healthy")
    health = [] if verdict is None else [{"health": verdict.word, "why": verdict.description}]
    show({"wanted": [_wanted(found)], "jobs": job_rows(found), "health": health}, as_json)
    if verdict is not None and verdict.word == "ERROR":
        raise typer.Exit(1)


@app.command("stop", epilog="Example: pi3 job stop")
def stop(timeout_s: Timeout = STEP_S, as_json: AsJson = False) -> None:
    """Stop with a savepoint; it stays stopped, and the producers go on."""
    launch("suspend_stream", {}, timeout_s, as_json)


@app.command("savepoint", epilog="Example: pi3 job savepoint")
def savepoint(timeout_s: Timeout = STEP_S, as_json: AsJson = False) -> None:
    """Take a savepoint while the job goes on."""
    launch("savepoint_stream", {}, timeout_s, as_json)


@app.command("resume", epilog="Example: pi3 job resume")
def resume(timeout_s: Timeout = STEP_S, as_json: AsJson = False) -> None:
    """Let the job run again, from its newest restore point."""
    launch("resume_stream", {}, timeout_s, as_json)


@app.command("upgrade", epilog="Example: pi3 job upgrade")
def upgrade(timeout_s: Timeout = STEP_S, as_json: AsJson = False) -> None:
    """Bring the job to this code and these settings; rolled back if it does not prove itself."""
    launch("upgrade_stream", {}, timeout_s, as_json)


@app.command("replay", epilog="Example: pi3 job replay 0:100-200 3:0-5000")
def replay(
    ranges: Annotated[list[str], typer.Argument(help="PARTITION:FIRST-END; END is the first offset not to replay.")],
    parallelism: Annotated[int, typer.Option(min=1, help="Slots that the stream leaves free.")] = 1,
    timeout_s: Timeout = REPLAY_S,
    as_json: AsJson = False,
) -> None:
    """Read ranges of offsets once more, beside the stream: adds rows that are missing, mends those that differ."""
    config = {"ranges": parse_ranges(ranges), "parallelism": parallelism}
    launch("replay_range", {"ops": {"replay_offsets": {"config": config}}}, timeout_s, as_json)


@app.command("reset", epilog="Example: pi3 job reset --to latest --confirm topic_splitpay")
def reset(
    to: To,
    confirm: Annotated[str, typer.Option(help="The topic's name: do it. Without this it is a dry run.")] = "",
    timeout_s: Timeout = STEP_S,
    as_json: AsJson = False,
) -> None:
    """Show what a reset of the stream would skip or read again, and do it once confirmed."""
    if confirm:
        config = {"to": to, "confirm": confirm, "dry_run": False}
        launch("reset_stream", {"ops": {"reset_offsets": {"config": config}}}, timeout_s, as_json)
        return
    from orchestration.lifecycle.reset import rows

    found = servers.connect()
    show({"partitions": rows(found.stream.moves(to))}, as_json)
    note(
        f"a dry run: nothing was changed. Skipped records are LOST until a replay lands them; to do it, add "
        f"--confirm {found.settings.kafka_topic}"
    )


def parse_ranges(texts: Sequence[str]) -> dict[str, list[int]]:
    """Ranges as the job `replay_range` takes them.

    Raises:
        ConfigurationError: one is none, or a partition has two.
    """
    found: dict[str, list[int]] = {}
    for text in texts:
        match = RANGE.fullmatch(text)
        if match is None or match[1] in found:
            raise ConfigurationError(f"{text!r} should be PARTITION:FIRST-END, such as 0:100-200, one for a partition")
        found[match[1]] = [int(match[2]), int(match[3])]
    return found


def job_rows(found: servers.Servers) -> list[Row]:
    """The active jobs of our name, as Flink tells; there should be one at most."""
    client = found.stream.flink.client
    now_s = time.time()
    rows: list[Row] = []
    for job in client.active_jobs(found.stream.name):
        completed = client.checkpoints(job.id).latest_completed
        rows.append(
            {
                "job": job.id,
                "state": job.state,
                "tasks": f"{job.tasks_running}/{job.tasks_total}",
                "uptime_s": round(job.duration_ms / 1000),
                "checkpoint_age_s": round(now_s - completed.completed_at_ms / 1000, 1) if completed else None,
            }
        )
    return rows


def _wanted(found: servers.Servers) -> Row:
    known = found.stream.record()
    return {
        "name": known.job_name,
        "wanted": known.desired,
        "since": known.desired_at,
        "epoch": known.epoch,
        "version": (known.fingerprint or "")[:12] or None,
        "parallelism": known.parallelism or found.settings.flink_parallelism,
        "restored_from": known.restored_from,
        "recovery_error": known.recovery.error,
    }
