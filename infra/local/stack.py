"""The local stack: broker, database, Flink cluster and Dagster under one supervisor, in one folder."""

from __future__ import annotations

import json
import shutil
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from infra.local import dagster, flink, jars, java, kafka, metrics, ports, postgres, ready, secrets, sink
from infra.local.errors import SetupError, in_one_line
from infra.local.paths import REPOSITORY, StackPaths
from infra.local.program import Program
from infra.local.supervisor import ProcessState, Supervisor, end_orphans

NEEDED_BYTES = 2 * 1024**3
READY_TIMEOUT_S = 120
STARTS_TO_GIVE_UP = 8
PROGRESS_INTERVAL_S = 5.0


@dataclass(frozen=True)
class StackSpec:
    """What a stack needs to know from the settings.

    `roles` maps owner, writer, reader and auditor to role names; `fixed_ports` holds just the ports that a setting
    fixes; `environment` is what the servers are started with. `kafka_listeners` (by name) and `flink_rpc` (by
    `jobmanager` and `taskmanager`) are for clients that see the server under another address. `with_dagster` False:
    the data path alone. `with_metrics`: Prometheus may ask the servers.
    """

    root: Path
    database: str
    roles: dict[str, str]
    environment: dict[str, str]
    fixed_ports: dict[str, int] = field(default_factory=dict)
    kafka_listeners: dict[str, ports.Listener] = field(default_factory=dict)
    flink_rpc: dict[str, ports.Listener] = field(default_factory=dict)
    with_dagster: bool = True
    with_metrics: bool = False


def bring_jars(paths: StackPaths, say: Callable[[str], None]) -> list[Path]:
    """Fetch the jars, link the broker's, and compile the sink; returns the connectors that Flink needs.

    Raises:
        SetupError: a jar is not to be had.
    """
    say("checking the jars")
    fetched = jars.fetch(paths.maven, jars.read_lock(), say)
    java.prepare_shared_classes(paths)
    java.link_jars(paths.lib / "kafka", [path for jar, path in fetched.items() if jar.server == "kafka"])
    connectors = [path for jar, path in fetched.items() if jar.server == "flink"]
    compiler = next(path for jar, path in fetched.items() if jar.server == "compiler")
    return [*connectors, sink.build(paths.built, compiler, [*flink.own_jars(), *connectors])]


class Stack:
    """Start, stop and look at the servers of one folder."""

    def __init__(self, spec: StackSpec, say: Callable[[str], None] = print) -> None:
        self._spec = spec
        self._say = say
        self.paths = StackPaths(spec.root.resolve())
        self.supervisor = Supervisor(self.paths)

    def start(self) -> ports.Ports:
        """Bring every server up, or adopt them when they are up; returns the ports in use.

        Raises:
            SetupError: nothing could be started, or a server does not get ready; the message says which and why.
        """
        adopted = self.supervisor.is_running()
        if adopted:
            chosen = self._adopted_ports()
            self.supervisor.ensure_started()
        else:
            chosen = self._start_servers()
        try:
            self._wait_until_ready(chosen)
        except SetupError:
            if not adopted:  # of a stack that was up, each server is tried again for as long as it takes
                self.supervisor.stop_failing()
            raise
        postgres.bootstrap(self.paths, chosen, self._spec.database, self._spec.roles)
        return chosen

    def stop(self) -> int:
        """Stop the servers in order, and end whatever outlived them; returns how many such there were."""
        if self.supervisor.is_running():
            self.supervisor.stop()
        return end_orphans(self.paths.root)

    def clean(self) -> None:
        """Remove the state of the servers; the environment and the jars stay."""
        for folder in (
            self.paths.data,
            self.paths.conf,
            self.paths.log,
            self.paths.run,
            self.paths.secrets,
            self.paths.lib,
        ):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.paths.environment_file, self._ports_file):
            file.unlink(missing_ok=True)

    def states(self) -> list[ProcessState]:
        """What the supervisor says of each server."""
        return self.supervisor.states()

    def saved_ports(self) -> ports.Ports:
        """The ports of the last start."""
        return ports.Ports(**self._saved())

    def _adopted_ports(self) -> ports.Ports:
        saved = self._saved()
        if moved := [name for name, port in self._spec.fixed_ports.items() if saved.get(name) != port]:
            settings = ", ".join(f"PI3_LOCAL_{name.upper()}_PORT" for name in moved)
            raise SetupError(f"the stack is running on another port than {settings} says: `make stop` it first")
        return ports.Ports(**saved)

    @property
    def _ports_file(self) -> Path:
        return self.paths.root / "ports.json"

    def _saved(self) -> dict[str, int]:
        return dict(json.loads(self._ports_file.read_text())) if self._ports_file.exists() else {}

    def _start_servers(self) -> ports.Ports:
        self.paths.check()
        self._check_disk()
        self.paths.make()
        if ended := end_orphans(self.paths.root):
            self._say(f"ended {ended} processes that had outlived their supervisor")
        chosen = ports.choose(self._spec.fixed_ports, self._saved())
        self._prepare(chosen)
        self._ports_file.write_text(json.dumps(asdict(chosen)))
        secrets.write_private(self.paths.environment_file, self._environment_file(chosen))
        programs = [
            kafka.program(self.paths),
            postgres.program(self.paths, chosen),
            *flink.programs(self.paths),
            *(dagster.programs(self.paths, chosen) if self._spec.with_dagster else ()),
        ]
        if self._spec.with_metrics:
            programs = self._watched(programs, chosen)
        self.supervisor.start(programs, self._spec.environment)
        return chosen

    def _watched(self, programs: list[Program], chosen: ports.Ports) -> list[Program]:
        metrics.prepare(self.paths, chosen)
        locked = [jar for jar in jars.read_lock() if jar.server == "metrics"]
        (agent,) = jars.fetch(self.paths.maven, locked, self._say).values()
        found = metrics.watched(programs, self.paths, chosen, agent)
        return [*found, metrics.exporter(self.paths, chosen)] if self._spec.with_dagster else found

    def _check_disk(self) -> None:
        self._spec.root.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._spec.root).free
        if free < NEEDED_BYTES:
            raise SetupError(
                f"{self._spec.root} has {free / 1024**3:.1f} GiB free and the servers need "
                f"{NEEDED_BYTES / 1024**3:.0f}: free some space, or move the clone to a larger disk"
            )

    def _prepare(self, chosen: ports.Ports) -> None:
        secrets.ensure_passwords(self.paths.secrets)
        connectors = bring_jars(self.paths, self._say)
        self._say("preparing the servers")
        flink.prepare(self.paths, chosen, connectors, self._spec.flink_rpc)
        kafka.prepare(self.paths, chosen, self._spec.kafka_listeners)
        postgres.prepare(self.paths)
        dagster.prepare(self.paths, chosen)

    def _environment_file(self, chosen: ports.Ports) -> str:
        values = {
            "KAFKA_BOOTSTRAP_SERVERS": f"{ports.LOOPBACK}:{chosen.kafka}",
            "POSTGRES_PORT": chosen.postgres,
            "FLINK_REST_URL": f"http://{ports.LOOPBACK}:{chosen.flink_rest}",
            "FLINK_LIB_DIR": self.paths.lib / "flink",
            "FLINK_STATE_URI": f"file://{self.paths.flink_state}",
            "JAVA_HOME": java.java_home(),
            "DAGSTER_URL": f"http://{ports.LOOPBACK}:{chosen.dagster}",
        }
        head = (
            "# Written at each start of the local stack; put your own settings into .env, which wins over this file.\n"
        )
        return head + "".join(f"PI3_{name}='{value}'\n" for name, value in values.items())

    def _wait_until_ready(self, chosen: ports.Ports) -> None:
        waiting: dict[str, Callable[[], bool]] = {
            "postgres": lambda: ready.postgres(self.paths, chosen),
            "kafka": lambda: ready.kafka(chosen),
            "flink": lambda: ready.flink(chosen),
            **({"dagster": lambda: ready.dagster(chosen)} if self._spec.with_dagster else {}),
        }
        started = told_at = time.monotonic()
        starts: dict[str, set[int]] = defaultdict(set)
        while waiting:
            if time.monotonic() - told_at > PROGRESS_INTERVAL_S:
                told_at = time.monotonic()
                self._say(f"  waiting for {', '.join(waiting)}")
            for name in [name for name, is_ready in waiting.items() if is_ready()]:
                self._say(f"{name} ready after {time.monotonic() - started:.0f} s")
                del waiting[name]
            self._fail_on_dead_program(waiting, time.monotonic() - started, starts)
            time.sleep(0.2)

    def _fail_on_dead_program(
        self, waiting: dict[str, Callable[[], bool]], waited_s: float, starts: dict[str, set[int]]
    ) -> None:
        """`starts` collects when each program was started, as seen so far."""
        states = self.states()
        if not states:
            raise SetupError(f"the supervisor ended while the servers started: see {self.paths.log}/supervisord.log")
        for state in states:
            starts[state.name].add(state.started_at)
        dead = [state for state in states if len(starts[state.name]) >= STARTS_TO_GIVE_UP]
        if not dead and (not waiting or waited_s < READY_TIMEOUT_S):
            return
        suspects = dead or [state for state in states if state.name.startswith(tuple(waiting))]
        name = max(suspects, key=lambda state: state.started_at).name  # the one that was restarted last
        end = in_one_line(self.supervisor.last_lines(name))
        raise SetupError(
            f"{name} does not start: see {self.paths.log / name}.log, and end the others with `make stop`; "
            f"its last words are: {end}"
        )


__all__ = ["REPOSITORY", "Stack", "StackSpec"]
