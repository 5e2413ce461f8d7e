"""What a start refuses before any server runs, and what it says of one that does not come up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from infra.local import stack as stack_module
from infra.local.errors import SetupError
from infra.local.ports import Ports
from infra.local.stack import STARTS_TO_GIVE_UP, Stack, StackSpec
from infra.local.supervisor import ProcessState
from orchestration.settings import read_settings

PORTS = Ports(40_001, 40_002, 40_003, 40_004, 40_005, 40_006, 40_007)


@dataclass
class FakeSupervisor:
    """A supervisor that says this of its programs."""

    found: Sequence[ProcessState] = ()
    running: bool = False
    called: list[str] = field(default_factory=list)

    def is_running(self) -> bool:
        return self.running

    def states(self) -> Sequence[ProcessState]:
        return self.found

    def last_lines(self, _: str) -> str:
        return "java.lang.Error: first\n  at second"

    def stop(self) -> None:
        self.called.append("stop")

    def ensure_started(self) -> None:
        self.called.append("ensure_started")

    def start(self, *_: object) -> None:
        self.called.append("start")

    def stop_failing(self) -> None:
        self.called.append("stop_failing")


def a_stack(root: Path, supervisor: FakeSupervisor, fixed_ports: dict[str, int] | None = None) -> Stack:
    made = Stack(StackSpec(root, "db", {}, {}, fixed_ports or {}), lambda _: None)
    made.supervisor = supervisor  # type: ignore[assignment]
    return made


@pytest.mark.parametrize(
    ("name", "fixed_ports", "needed_bytes", "words"),
    [
        ("a:b", {}, 1, "the path .* contains ':'"),
        ("full", {}, 1024**6, r"full has [\d.]+ GiB free and the servers need \d+: free some space"),
        ("ports", {"kafka": 40_001, "dagster": 40_001}, 1, "PI3_LOCAL_KAFKA_PORT.* two servers"),
    ],
)
def test_a_start_is_refused_before_anything_is_made(
    *,
    name: str,
    fixed_ports: dict[str, int],
    needed_bytes: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stack_module, "NEEDED_BYTES", needed_bytes)
    monkeypatch.setattr("infra.local.jars.fetch", lambda *_: pytest.fail("went on"))
    with pytest.raises(SetupError, match=words) as caught:
        a_stack(tmp_path / name, FakeSupervisor(), fixed_ports).start()
    assert "\n" not in str(caught.value)
    assert not (tmp_path / name / "ports.json").exists()
    assert not (tmp_path / name / "stack.env").exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_running_stack_does_not_move_to_another_port(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text(json.dumps(asdict(PORTS)))
    supervisor = FakeSupervisor(running=True)
    with pytest.raises(SetupError, match=r"PI3_LOCAL_DAGSTER_PORT says: `make stop` it first"):
        a_stack(tmp_path, supervisor, {"kafka": 40_001, "dagster": 50_000}).start()
    assert supervisor.called == []


def state(name: str, word: str, started_at: int = 1) -> ProcessState:
    return ProcessState(name, word, 1, started_at)


@pytest.mark.parametrize(
    ("states", "waiting", "waited_s", "words"),
    [
        ([state("kafka", "STARTING")], {"kafka"}, 1, None),
        ([state("kafka", "RUNNING")], set(), 500, None),
        ([state("kafka", "BACKOFF", 7)], {"kafka"}, 119, None),
        (
            [state("kafka", "BACKOFF"), state("postgres", "RUNNING")],
            {"kafka"},
            121,
            "^kafka does not start: .*kafka.log",
        ),
        ([state("kafka", "STARTING"), state("postgres", "BACKOFF", 8)], {"kafka"}, 1, "^postgres does not start"),
        (
            [state("flink-jobmanager", "RUNNING", 5), state("flink-taskmanager", "STARTING", 9)],
            {"flink"},
            121,
            "^flink-taskmanager does not start",
        ),
        ([], {"kafka"}, 1, r"^the supervisor ended .*supervisord\.log"),
    ],
)
def test_a_server_that_does_not_come_up_is_named_with_its_log(
    states: list[ProcessState], waiting: set[str], waited_s: float, words: str | None, tmp_path: Path
) -> None:
    starting = a_stack(tmp_path, FakeSupervisor(states))
    questions = {name: lambda: False for name in waiting}
    # The seven starts that were seen before, at the times 1 to 7.
    starts = {state.name: set(range(1, STARTS_TO_GIVE_UP)) for state in states}
    if words is None:
        starting._fail_on_dead_program(questions, waited_s, starts)
        return
    with pytest.raises(SetupError, match=words) as caught:
        starting._fail_on_dead_program(questions, waited_s, starts)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("running", "called"), [(False, ["start", "stop_failing"]), (True, ["ensure_started"])])
def test_only_what_has_never_run_is_given_up(
    *, running: bool, called: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = FakeSupervisor(running=running)
    starting = a_stack(tmp_path, supervisor)
    (tmp_path / "ports.json").write_text(json.dumps(asdict(PORTS)))
    monkeypatch.setattr(starting, "_prepare", lambda _: None)

    def not_ready(_: Ports) -> None:
        raise SetupError("kafka does not start")

    monkeypatch.setattr(starting, "_wait_until_ready", not_ready)
    with pytest.raises(SetupError, match="kafka does not start"):
        starting.start()
    assert supervisor.called == called


def test_the_settings_of_a_stack_are_read_back_as_written(tmp_path: Path) -> None:
    written = a_stack(tmp_path / "my (clone) & b", FakeSupervisor())
    written.paths.make()
    written.paths.environment_file.write_text(written._environment_file(PORTS))
    settings = read_settings(written.paths.root, None)
    assert settings.kafka_bootstrap_servers == "127.0.0.1:40001"
    assert settings.postgres_port == 40_003
    assert settings.flink_rest_url == "http://127.0.0.1:40004"
    assert settings.flink_lib_dir == written.paths.lib / "flink"
    assert settings.flink_state_uri == f"file://{written.paths.flink_state}"
    assert settings.dagster_url == "http://127.0.0.1:40006"


@pytest.mark.parametrize("running", [True, False])
def test_stop_and_clean_leave_nothing_but_what_stacks_share(running: bool, tmp_path: Path) -> None:
    supervisor = FakeSupervisor(running=running)
    stopped = a_stack(tmp_path, supervisor)
    stopped.paths.make()
    (tmp_path / "venv").mkdir()
    for name in ("stack.env", "ports.json"):
        (tmp_path / name).write_text("{}")
    assert stopped.stop() == 0
    assert supervisor.called == (["stop"] if running else [])
    stopped.clean()
    assert [path.name for path in tmp_path.iterdir()] == ["venv"]
