"""The command `pi3`: what the commands print and end with, over servers that only write down what is asked of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestration.cli.dagster_api import CheckVerdict, RunFailedError, RunResult
from orchestration.errors import ConfigurationError, TransientError
from orchestration.flink.types import JobSummary
from orchestration.lifecycle.record import JobRecord
from orchestration.lifecycle.reset import Move
from orchestration.pi3 import job, logs, servers, status
from orchestration.pi3.app import app
from orchestration.settings import Settings

SINCE = datetime(2026, 3, 1, tzinfo=timezone.utc)
RUNNING = JobSummary("j1", "splitpay-events", "RUNNING", 0, None, 61_000, 4, 4)
PASSED = CheckVerdict("streaming_job", "stream_healthy", True, "ERROR", "rows land")
FAILED = CheckVerdict("streaming_job", "stream_healthy", False, "ERROR", "stuck since noon")
WARNED = CheckVerdict("streaming_job", "stream_healthy", False, "WARN", "catching up")


@dataclass
class World:
    """Dagster, Flink and the job's record."""

    launched: list[tuple[str, Any]] = field(default_factory=list)
    verdict: CheckVerdict | None = PASSED
    desired: Any = "running"
    active: tuple[JobSummary, ...] = (RUNNING,)
    failing: Exception | None = None
    name: str = "splitpay-events"

    # Dagster
    def run(
        self, name: str, on_step: Callable[[str, str], None], timeout_s: float, run_config: Mapping[str, Any]
    ) -> RunResult:
        assert timeout_s > 0
        on_step("the_step", "IN_PROGRESS")
        self.launched.append((name, dict(run_config)))
        if self.failing:
            raise self.failing
        return RunResult("r1", "SUCCESS", (), ())

    def run_url(self, run_id: str) -> str:
        return f"http://dagster/runs/{run_id}"

    def checks(self) -> list[tuple[str, str]]:
        return [("streaming_job", "stream_healthy")]

    def latest_verdict(self, asset: str, check: str) -> CheckVerdict | None:
        assert (asset, check) == ("streaming_job", "stream_healthy")
        return self.verdict

    # Flink and the record
    @property
    def flink(self) -> Any:  # noqa: ANN401
        return SimpleNamespace(client=self)

    def active_jobs(self, name: str) -> tuple[JobSummary, ...]:
        assert name == self.name
        return self.active

    def checkpoints(self, job_id: str) -> Any:  # noqa: ANN401
        assert job_id == "j1"
        return SimpleNamespace(latest_completed=None)

    def record(self) -> JobRecord:
        return JobRecord(self.name, self.desired, SINCE, 3, "j1", "f" * 64)

    def moves(self, to: str) -> dict[int, Move]:
        assert to == "latest"
        return {0: Move(10, 25)}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """What the commands act on."""
    found: Any = World()
    settings = Settings(stack_dir=tmp_path)
    monkeypatch.setattr(servers, "connect", lambda: servers.Servers(settings, found, found, found, found))
    monkeypatch.setattr(logs, "load_settings", lambda: settings)
    return found  # type: ignore[no-any-return]


def pi3(*arguments: str, code: int = 0, text: str | None = None) -> str:
    """Run the command; what it printed, notes and errors included."""
    done = CliRunner().invoke(app, arguments, input=text)
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.parametrize(
    ("arguments", "launched"),
    [
        (["stop"], ("suspend_stream", {})),
        (["savepoint"], ("savepoint_stream", {})),
        (["resume"], ("resume_stream", {})),
        (["upgrade"], ("upgrade_stream", {})),
        (
            ["replay", "0:100-200", "3:0-5", "--parallelism", "2"],
            (
                "replay_range",
                {"ops": {"replay_offsets": {"config": {"ranges": {"0": [100, 200], "3": [0, 5]}, "parallelism": 2}}}},
            ),
        ),
        (
            ["reset", "--to", "latest", "--confirm", "t"],
            (
                "reset_stream",
                {"ops": {"reset_offsets": {"config": {"to": "latest", "confirm": "t", "dry_run": False}}}},
            ),
        ),
    ],
)
def test_verbs_of_the_job_are_dagster_jobs(arguments: list[str], launched: tuple[str, Any], world: World) -> None:
    out = pi3("job", *arguments)
    assert world.launched == [launched]
    assert "the_step ..." in out
    assert "http://dagster/runs/r1" in out


def test_a_reset_without_confirmation_is_a_dry_run(world: World) -> None:
    out = pi3("job", "reset", "--to", "latest")
    assert world.launched == []
    assert "--confirm topic_splitpay" in out
    assert ["0", "10", "25", "0", "15"] in [line.split() for line in out.splitlines()]


def test_a_confirmed_acknowledgement_is_a_dagster_job(world: World) -> None:
    pi3("ledger", "acknowledge", "--reason", "an outage", "--confirm", "t")
    config = {"reason": "an outage", "confirm": "t", "dry_run": False}
    assert world.launched == [("acknowledge_gone", {"ops": {"acknowledge_gone_offsets": {"config": config}}})]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RunFailedError("stop ended as FAILURE:\n why (http://d/runs/r)"), 1),
        (TransientError("Dagster does not answer"), 1),
        (ConfigurationError("Dagster refused\nto launch"), 2),
    ],
)
def test_an_error_is_one_line_with_its_exit_code(error: Exception, code: int, world: World) -> None:
    world.failing = error
    last = pi3("job", "stop", code=code).splitlines()[-1]
    assert last == f"error: {' '.join(str(error).split())}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["consume"], "either --from-beginning or --offset N"),
        (["consume", "--from-beginning", "--offset", "3"], "either --from-beginning or --offset N"),
        (["consume", "--max", "0"], "--max"),
        (["nonsense"], "No such command 'nonsense'"),
        (["job", "replay", "0:5"], "should be PARTITION:FIRST-END"),
        (["job", "replay", "0:1-2", "0:4-5"], "one for a partition"),
        (["groups", "reset", "pi3-splitpay", "--to", "latest"], "use `pi3 job reset`|with `pi3 job reset`"),
        (["ledger", "acknowledge", "--confirm", "t", "--reason", " "], "add --reason"),
        (["logs", "nobody"], "no log of nobody"),
        (["dead-letters", "redrive"], "select the letters"),
        (["dead-letters", "redrive", "--reason", "odd"], "no such reason: odd"),
    ],
)
@pytest.mark.usefixtures("world")
def test_what_the_caller_must_change_ends_with_two(arguments: list[str], words: str) -> None:
    lines = pi3(*arguments, code=2).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert any(word in lines[0] for word in words.split("|"))


def test_an_empty_message_is_refused(world: World) -> None:
    del world
    assert "no message" in pi3("produce", code=2, text="\n")


@pytest.mark.parametrize(("verdict", "code"), [(None, 0), (PASSED, 0), (WARNED, 0), (FAILED, 1)])
def test_status_of_the_job(verdict: CheckVerdict | None, code: int, world: World) -> None:
    world.verdict = verdict
    told = json.loads(pi3("job", "status", "--json", code=code))
    assert told["wanted"][0] | {"epoch": 3, "wanted": "running", "version": "f" * 12} == told["wanted"][0]
    assert [(row["job"], row["tasks"], row["uptime_s"]) for row in told["jobs"]] == [("j1", "4/4", 61)]
    assert [row["why"] for row in told["health"]] == ([verdict.description] if verdict else [])


def test_what_does_not_answer_leaves_the_rest_standing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    del world

    def fail(_: object) -> list[Any]:
        raise TransientError("Kafka gave\nno answer")

    monkeypatch.setattr(status, "_records", fail)
    out = pi3("status", code=1)
    assert ["passed", "-", "streaming_job.stream_healthy"] in [line.split()[:3] for line in out.splitlines()]
    assert "error: records unknown: Kafka gave no answer" in out


@pytest.mark.parametrize(
    ("parts", "well"),
    [
        ({}, True),
        ({"servers": [{"state": "RUNNING"}], "checks": [{"verdict": "passed"}, {"verdict": "WARN"}]}, True),
        ({"servers": [{"state": "BACKOFF"}]}, False),
        ({"checks": [{"verdict": "ERROR"}]}, False),
    ],
)
def test_when_all_is_well(parts: dict[str, Any], well: bool) -> None:
    assert status.is_well(parts) is well


def test_the_end_of_a_log(world: World, tmp_path: Path) -> None:
    del world
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "kafka.log").write_text("one\ntwo\tx\nthree\x1b[31m\n")
    assert pi3("logs", "kafka", "-n", "2").splitlines() == ["two     x", "three\\x1b[31m"]
    told = json.loads(pi3("logs", "kafka", "-n", "1", "--json"))
    assert told == {"server": "kafka", "line": "three\x1b[31m"}


def test_a_followed_log_goes_on_in_its_successor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kafka.log"
    path.write_text("a\nb\n")

    def rotate(_: float) -> None:
        path.rename(tmp_path / "kafka.log.1")
        path.write_text("c\n")

    monkeypatch.setattr(time, "sleep", rotate)
    found = logs.lines(path, 1, follow=True)
    assert [next(found), next(found)] == ["b\n", "c\n"]
    found.close()


def commands(group: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:  # noqa: ANN401
    """The path of every command and group."""
    children = getattr(group, "commands", {})
    return [path, *(found for name, child in children.items() for found in commands(child, (*path, name)))]


def test_every_help_has_an_example() -> None:
    import typer.main

    found = commands(typer.main.get_command(app))
    assert len(found) > 25
    for path in found:
        assert "Example: pi3" in pi3(*path, "--help"), path


def test_ranges() -> None:
    assert job.parse_ranges(["0:1-2", "12:0-5"]) == {"0": [1, 2], "12": [0, 5]}
