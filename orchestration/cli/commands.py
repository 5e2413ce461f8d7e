"""The commands behind `make run`, `make stop`, `make status` and `make clean`."""

from __future__ import annotations

import time
from collections.abc import Callable

from infra.local.metrics import scrape_file
from infra.local.paths import StackPaths
from infra.local.progress import say
from orchestration.cli import preflight
from orchestration.cli.counts import COLUMNS, Counts, read_counts, remaining
from orchestration.cli.dagster_api import CheckVerdict, DagsterApi
from orchestration.cli.local import local_stack
from orchestration.defs.resources import resources
from orchestration.errors import Pi3Error, TransientError
from orchestration.settings import Settings, load_settings

CATCH_UP_TIMEOUT_S = 90
PROGRESS_INTERVAL_S = 5
STEP_WORDS = {"IN_PROGRESS": "...", "SUCCESS": "done", "FAILURE": "FAILED"}


def run() -> int:
    """Start the servers, launch the pipeline through Dagster, show what landed; the stack keeps running."""
    started = time.monotonic()
    local_stack(load_settings(), say).start()
    settings = _settings_of_the_stack()
    code = _launch(settings)
    _print_addresses(settings)
    print(
        f"\nThe pipeline is running (after {time.monotonic() - started:.0f} s). `make stop` ends it with a savepoint."
    )
    return code


def launch() -> int:
    """Launch the pipeline on servers that are up, through Dagster, and show what landed."""
    return _launch(load_settings())


def _launch(settings: Settings) -> int:
    api = DagsterApi(settings.dagster_url)
    say("waiting for Dagster to load the definitions")
    api.wait_for_location()
    preflight.check(settings)
    say("launching start_pipeline through Dagster's API")
    api.run("start_pipeline", _report_step)
    _wait_until_caught_up(settings)
    say("running the checks")
    verdicts = api.run("health_check", lambda *_: None).verdicts
    _print_counts(read_counts(settings))
    _print_verdicts(verdicts)
    return 0 if all(verdict.passed or verdict.severity == "WARN" for verdict in verdicts) else 1


def stop() -> int:
    """Stop the producers, the Flink job with a savepoint, and then the servers."""
    settings = load_settings()
    stack = local_stack(settings, say)
    running = bool(stack.states())
    if running:
        _stop_pipeline(settings)
    _stop_producers(settings)
    if running:
        say("stopping the servers, which takes up to a minute")
    ended = stack.stop()
    say(f"stopped; ended {ended} processes that were left over" if ended else "stopped")
    return 0


def halt() -> int:
    """Stop the Flink job with a savepoint and the producers; the servers stay up."""
    settings = load_settings()
    _stop_pipeline(settings)
    _stop_producers(settings)
    return 0


def status() -> int:
    """Show the servers, the counts and the addresses."""
    settings = load_settings()
    states = local_stack(settings, say).states()
    if not states:
        print("The stack is not running; start it with `make run`.")
        return 1
    for state in states:
        uptime = f"{time.time() - state.started_at:8.0f} s  pid {state.pid}" if state.pid else ""
        print(f"{state.name:20} {state.state:9} {uptime}")
    _print_health(settings)
    _print_counts(read_counts(settings))
    _print_addresses(settings)
    return 0


def clean() -> int:
    """Stop everything and remove its state: topics, tables, checkpoints, history and passwords."""
    settings = load_settings()
    stack = local_stack(settings, say)
    _stop_producers(settings)
    stack.stop()
    stack.clean()
    say("removed the state of the servers; the environment and the jars stay (remove .stack to be rid of them)")
    return 0


COMMANDS: dict[str, Callable[[], int]] = {
    "run": run,
    "stop": stop,
    "status": status,
    "clean": clean,
    "launch": launch,
    "halt": halt,
}


def _settings_of_the_stack() -> Settings:
    load_settings.cache_clear()  # the start wrote the ports that it chose
    return load_settings()


def _stop_pipeline(settings: Settings) -> None:
    try:
        DagsterApi(settings.dagster_url).run("stop_pipeline", _report_step)
    except Pi3Error as error:
        say(f"the Flink job was not stopped with a savepoint ({error}); it resumes from its newest checkpoint")


def _stop_producers(settings: Settings) -> None:
    """Whatever became of the run that stops them: a producer that outlives its broker cannot flush what it holds."""
    producer = resources(settings)["producer"]
    if left := [report.name for report in producer.reports() if report.state == "running"]:
        say(f"ending {', '.join(left)}")
    try:
        producer.stop_all()
    except TransientError as error:
        say(str(error))


def _wait_until_caught_up(settings: Settings) -> None:
    """Wait until the job has committed, and the ledger accounted for, what was in the topic when we began to wait."""
    started = told_at = time.monotonic()
    goal = read_counts(settings).ends
    say(f"waiting until {sum(goal.values()):,} offsets are committed and accounted for")
    while to_go := remaining(read_counts(settings), goal):
        now = time.monotonic()
        if now > started + CATCH_UP_TIMEOUT_S:
            say(f"the job or the ledger is still behind after {CATCH_UP_TIMEOUT_S} s; see {settings.flink_ui}")
            return
        if now > told_at + PROGRESS_INTERVAL_S:
            told_at = now
            say(f"  {to_go:,} to go")
        time.sleep(0.5)


def _print_counts(counts: Counts) -> None:
    print(f"\n{'partition':>9}" + "".join(f" {column:>11}" for column in COLUMNS))
    for row in [*counts.partitions, counts.total]:
        print(f"{row.name:>9}" + "".join(f" {getattr(row, column):11,}" for column in COLUMNS))


def _print_health(settings: Settings) -> None:
    try:
        verdict = DagsterApi(settings.dagster_url).latest_verdict("streaming_job", "stream_healthy")
    except Pi3Error as error:
        print(f"\nhealth: unknown ({error})")
        return
    if verdict is not None:
        print(f"\n{'ok' if verdict.passed else verdict.severity}: {verdict.description}")


def _print_verdicts(verdicts: tuple[CheckVerdict, ...]) -> None:
    print()
    for verdict in sorted(verdicts, key=lambda verdict: (verdict.asset, verdict.name)):
        print(f"{verdict.word:7} {verdict.asset}.{verdict.name}: {verdict.description}")


def _print_addresses(settings: Settings) -> None:
    print(f"\nDagster {settings.dagster_ui}\nFlink   {settings.flink_ui}")
    scraped = scrape_file(StackPaths(settings.stack_dir))
    if settings.metrics and scraped.exists():
        print(f"Metrics prometheus --config.file={scraped}")


def _report_step(step: str, status: str) -> None:
    if status in STEP_WORDS:
        say(f"  {step} {STEP_WORDS[status]}")
