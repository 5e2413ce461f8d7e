"""The commands: in which order they act, what they print, and what becomes of an error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.local.errors import SetupError
from infra.local.supervisor import ProcessState
from orchestration import __main__ as program
from orchestration.cli import commands
from orchestration.cli.counts import Counts, PartitionCounts
from orchestration.cli.dagster_api import CheckVerdict, RunFailedError, RunResult
from orchestration.errors import ConfigurationError, TransientError
from orchestration.settings import Settings

COUNTS = Counts((PartitionCounts("0", 1_000, 990, 4, 6, 0, 0),), {0: 1_000}, {0: 1_000})
PASSED = CheckVerdict("events", "rows_landing", True, "ERROR", "rows land")
WARNED = CheckVerdict("dead_letters", "dead_letter_share", False, "WARN", "6 rejected")
FAILED = CheckVerdict("streaming_job", "running", False, "ERROR", "no job is active")


@dataclass
class World:
    """A stack, Dagster and producers that only write down what is asked of them, in order."""

    did: list[str] = field(default_factory=list)
    servers: list[ProcessState] = field(default_factory=lambda: [ProcessState("kafka", "RUNNING", 7, 0)])
    producers: list[str] = field(default_factory=lambda: ["generator-1"])
    verdicts: tuple[CheckVerdict, ...] = (PASSED,)
    failing: dict[str, Exception] = field(default_factory=dict)
    left_over: int = 0
    health: CheckVerdict | None = None

    def act(self, name: str) -> None:
        self.did.append(name)
        if name in self.failing:
            raise self.failing[name]

    # The stack
    def start(self) -> None:
        self.act("start servers")

    def stop(self) -> int:
        self.act("stop servers")
        return self.left_over

    def clean(self) -> None:
        self.act("remove state")

    def states(self) -> list[ProcessState]:
        return self.servers

    # Dagster
    def wait_for_location(self) -> None:
        self.act("wait for definitions")

    def run(self, job: str, on_step: Callable[[str, str], None]) -> RunResult:
        on_step("events_topic.provision_topic", "SUCCESS")
        self.act(job)
        return RunResult("r", "SUCCESS", self.verdicts, ())

    def latest_verdict(self, asset: str, check: str) -> CheckVerdict | None:
        assert (asset, check) == ("streaming_job", "stream_healthy")
        self.act("ask for health")
        return self.health

    # Producers
    def reports(self) -> list[Any]:
        return [SimpleNamespace(name=name, state="running") for name in self.producers]

    def stop_all(self) -> list[str]:
        self.act("stop producers")
        return self.producers


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """What the commands act on."""
    found = World()
    settings = Settings(stack_dir=tmp_path, dagster_url="http://dagster", flink_rest_url="http://flink:1")
    monkeypatch.setattr(commands, "load_settings", lambda: settings)
    monkeypatch.setattr(commands, "_settings_of_the_stack", lambda: settings)
    monkeypatch.setattr(commands, "local_stack", lambda *_: found)
    monkeypatch.setattr(commands, "DagsterApi", lambda _: found)
    monkeypatch.setattr(commands, "resources", lambda _: {"producer": found})
    monkeypatch.setattr("orchestration.cli.preflight.check", lambda _: found.act("preflight"))
    monkeypatch.setattr(commands, "read_counts", lambda _: COUNTS)
    return found


def test_run_starts_launches_and_reports(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.verdicts = (WARNED, PASSED)
    assert commands.run() == 0
    assert world.did == ["start servers", "wait for definitions", "preflight", "start_pipeline", "health_check"]
    out = capsys.readouterr().out
    assert "events_topic.provision_topic done" in out
    assert [line.split() for line in out.splitlines() if line.strip().startswith("total")] == [
        ["total", "1,000", "990", "4", "6", "0", "0"]
    ]
    assert "WARN    dead_letters.dead_letter_share: 6 rejected\npassed  events.rows_landing: rows land" in out
    assert "http://dagster" in out
    assert "http://flink:1" in out


def test_a_failed_check_fails_the_command(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.verdicts = (PASSED, FAILED)
    assert commands.run() == 1
    assert "ERROR   streaming_job.running: no job is active" in capsys.readouterr().out


@pytest.mark.parametrize("at_fault", ["start servers", "preflight"])
def test_nothing_is_launched_on_a_stack_that_is_not_sound(at_fault: str, world: World) -> None:
    world.failing[at_fault] = ConfigurationError("wrong password")
    with pytest.raises(ConfigurationError):
        commands.run()
    assert world.did[-1] == at_fault
    assert "start_pipeline" not in world.did


def test_stop_ends_the_producers_before_the_servers(world: World) -> None:
    assert commands.stop() == 0
    assert world.did == ["stop_pipeline", "stop producers", "stop servers"]


@pytest.mark.parametrize("error", [RunFailedError("it failed"), TransientError("no answer")])
def test_producers_and_servers_are_stopped_when_the_run_fails(
    error: Exception, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.failing = {"stop_pipeline": error, "stop producers": TransientError("1 producers still flush")}
    assert commands.stop() == 0
    assert world.did == ["stop_pipeline", "stop producers", "stop servers"]
    out = capsys.readouterr().out
    assert f"not stopped with a savepoint ({error})" in out
    assert "ending generator-1" in out
    assert "1 producers still flush" in out


def test_stop_without_a_supervisor_still_ends_what_is_left(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.servers, world.left_over = [], 3
    assert commands.stop() == 0
    assert world.did == ["stop producers", "stop servers"]
    assert "ended 3 processes that were left over" in capsys.readouterr().out


def test_clean_stops_everything_first(world: World) -> None:
    assert commands.clean() == 0
    assert world.did == ["stop producers", "stop servers", "remove state"]


@pytest.mark.parametrize(("running", "code", "words"), [(True, 0, "kafka"), (False, 1, "start it with `make run`")])
def test_status(running: bool, code: int, words: str, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.servers = world.servers if running else []
    assert commands.status() == code
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("health", "error", "words"),
    [
        (None, None, "produced"),
        (CheckVerdict("streaming_job", "stream_healthy", True, "ERROR", "landing"), None, "\nok: landing\n"),
        (
            CheckVerdict("streaming_job", "stream_healthy", False, "WARN", "unknown since"),
            None,
            "\nWARN: unknown since\n",
        ),
        (None, TransientError("Dagster does not answer"), "\nhealth: unknown (Dagster does not answer)\n"),
    ],
)
def test_status_tells_the_health(
    health: CheckVerdict | None, error: Exception | None, words: str, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.health = health
    world.failing = {"ask for health": error} if error else {}
    assert commands.status() == 0
    assert words in capsys.readouterr().out


def counts(committed: int) -> Counts:
    return Counts(COUNTS.partitions, {0: 1_000}, {0: committed})


@pytest.mark.parametrize(
    ("committed", "timeout_s", "words"),
    [
        ([0, 400, 1_000], 90, ["1,000 offsets", "600 to go"]),
        ([0, 0, 0], 0, ["1,000 offsets", "still behind after 0 s; see http://flink:1"]),
    ],
)
def test_catching_up_is_shown_and_limited(
    *,
    committed: list[int],
    timeout_s: float,
    words: list[str],
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reads = iter(committed)
    monkeypatch.setattr(commands, "read_counts", lambda _: counts(next(reads)))
    monkeypatch.setattr(commands, "CATCH_UP_TIMEOUT_S", timeout_s)
    monkeypatch.setattr(commands, "PROGRESS_INTERVAL_S", -1)
    commands._wait_until_caught_up(Settings(flink_rest_url="http://flink:1"))
    out = capsys.readouterr().out.splitlines()
    assert [word in line for word, line in zip(words, out, strict=True)] == [True] * len(words)
    assert world.did == []


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (SetupError("port 1 is taken"), "error: port 1 is taken\n"),
        (ConfigurationError("connection failed:\n  FATAL: no"), "error: connection failed: FATAL: no\n"),
        (RunFailedError("start_pipeline ended"), "error: start_pipeline ended\n"),
        (PermissionError(13, "Permission denied", "/x"), "error: [Errno 13] Permission denied: '/x': check the permis"),
        (KeyboardInterrupt(), "\ninterrupted; `make stop` may be run again"),
    ],
)
def test_an_error_with_a_remedy_is_one_line(
    raised: BaseException, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop() -> int:
        """Stop."""
        raise raised

    monkeypatch.setattr(sys, "argv", ["orchestration", "stop"])
    monkeypatch.setitem(program.COMMANDS, "stop", stop)
    assert program.main() == 1
    told = capsys.readouterr()
    assert told.err.startswith(words)
    assert told.err.strip().count("\n") == 0
    assert told.out == ""


def test_a_defect_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> int:
        """Stop."""
        raise ZeroDivisionError

    monkeypatch.setattr(sys, "argv", ["orchestration", "stop"])
    monkeypatch.setitem(program.COMMANDS, "stop", stop)
    with pytest.raises(ZeroDivisionError):
        program.main()


def test_an_unknown_command_lists_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["orchestration", "begin"])
    with pytest.raises(SystemExit, match="2"):
        program.main()
    told = capsys.readouterr().err
    assert all(name in told for name in ("run", "stop", "status", "clean"))
