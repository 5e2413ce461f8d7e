"""The place where faults happen: a running stack with its pipeline, and what a trial asks of it."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812

from infra.local.postgres import superuser
from infra.local.stack import Stack
from orchestration.cli.dagster_api import DagsterApi, RunResult
from orchestration.defs.resources import resources
from orchestration.errors import Pi3Error, TransientError
from orchestration.flink.client import FlinkClient
from orchestration.flink.types import JobSummary
from orchestration.ledger.standing import read_standing
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.resources.sql_files import sql_file
from orchestration.settings import Settings
from tests.faults.accounts import Accounts
from tests.faults.checks import Evaluation, history, last_tick
from tests.faults.load import Load
from tests.faults.servers import Servers

SQL: Final = Path(__file__).with_name("sql")
WITHOUT_PRODUCERS: Final = {
    "ops": {
        "event_producer": {"ops": {"launch_producers": {"config": {"sample_file": False, "generator": False}}}},
    }
}


class Site:
    """One stack under test. `proxies` and `disks` are empty where they were not set up. `producer_servers` are the
    brokers as the load's producers see them.

    What is read raises TransientError while the server that is asked is out of reach.
    """

    def __init__(self, stack: Stack, settings: Settings, rate_per_s: float, producer_servers: str = "") -> None:
        self.stack = stack
        self.settings = settings
        self.api = DagsterApi(settings.dagster_url)
        found = resources(settings)
        self.kafka: KafkaResource = found["kafka"]
        self.postgres: PostgresResource = found["postgres"]
        self.flink: FlinkClient = found["flink"].client
        self.servers = Servers(stack)
        self.proxies: Mapping[str, Any] = {}
        self.disks: Mapping[str, Any] = {}
        self.producer_servers = producer_servers or settings.kafka_bootstrap_servers
        self._rate_per_s = rate_per_s
        self._load: Load | None = None

    # The load

    @property
    def load(self) -> Load:
        """The producers of the trial under way."""
        assert self._load is not None, "no trial is under way"
        return self._load

    def begin_load(self, folder: Path) -> Load:
        """Start the producers of a new trial."""
        topic = self.settings.kafka_topic
        self._load = Load(self.producer_servers, topic, folder, self._rate_per_s, self.newest_id())
        self._load.start()
        return self._load

    def end_load(self) -> None:
        """End the producers, if there are any; each flushes what it holds."""
        if self._load is not None:
            self._load.stop()

    # Processes

    def pids(self, server: str) -> list[int]:
        """See `Servers.pids`."""
        return self.servers.pids(server)

    def signal(self, server: str, number: signal.Signals, *, family: bool = False) -> list[int]:
        """See `Servers.signal`."""
        return self.servers.signal(server, number, family=family)

    # The table

    @contextmanager
    def superuser(self) -> Iterator[Connection]:
        """A session of the database's superuser that commits each statement by itself.

        Raises:
            TransientError: Postgres is out of reach.
        """
        try:
            connection = superuser(self.stack.paths, self.stack.saved_ports(), self.settings.postgres_database)
        except psycopg2.OperationalError as error:
            raise TransientError(f"Postgres does not let the superuser in: {error}") from error
        try:
            yield connection
        finally:
            connection.close()

    def execute(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Execute a statement as superuser; returns its rows if it has any."""
        with self.superuser() as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall()) if cursor.description else []

    def newest_id(self) -> int:
        """The newest row's."""
        return int(self._read("SELECT coalesce(max(id), 0) FROM events")[0])

    def rows(self) -> int:
        """Rows that have landed in the trial under way."""
        return int(self._read("SELECT count(*) FROM events WHERE id > %(since_id)s", since_id=self.load.since_id)[0])

    def first_landed(self, struck_at: float, ended_at: float) -> float | None:
        """When the first row landed after `ended_at` that was produced after `struck_at`; Unix times in seconds."""
        try:
            at = self._file("first_landed", struck_at=struck_at, ended_at=ended_at)
        except Pi3Error:
            return None
        return None if at is None else float(at)

    def stands_still(self, for_s: float = 3.0) -> bool:
        """Whether no row has landed for so long, or Postgres does not say."""
        try:
            newest = self._file("newest_landed")
        except Pi3Error:
            return True
        return newest is None or time.time() - float(newest) > for_s

    def standstill_s(self, from_s: float) -> float:
        """The longest time since then in which no row landed."""
        return float(self._file("standstill", from_s=from_s))

    def _file(self, name: str, **parameters: float) -> Any:  # noqa: ANN401
        return self._read(sql_file(SQL, name), since_id=self.load.since_id, **parameters)[0]

    def _read(self, query: str, **parameters: float) -> tuple[Any, ...]:
        with self.postgres.connect("reader") as connection, connection.cursor() as cursor:
            # A locked table must not hold up the trial.
            cursor.execute("SET statement_timeout = '5s'")
            cursor.execute(query, parameters)
            row: tuple[Any, ...] = cursor.fetchone() or (None,)
            return row

    # Dagster, Flink and the ledger

    def check(self, name: str) -> Evaluation | None:
        """The newest evaluation of a check; None if it never was."""
        found = history(self.api, name, 1)
        return found[-1] if found else None

    def last_tick(self, sensor: str) -> float:
        """When the newest finished tick of a sensor began, in Unix time."""
        return last_tick(self.api, sensor)

    def launch(self, job: str) -> str:
        """Launch a Dagster job, without producers; returns the run's id."""
        return self.api.launch(job, WITHOUT_PRODUCERS if job == "start_pipeline" else None)

    def follow(self, run_id: str) -> RunResult:
        """Wait for the end of a run."""
        return self.api.follow(run_id, lambda *_: None)

    def run(self, job: str) -> None:
        """Launch a Dagster job and insist on its success.

        Raises:
            TransientError: it failed.
        """
        result = self.follow(self.launch(job))
        if result.status != "SUCCESS":
            raise TransientError(f"{job} ended as {result.status}: {'; '.join(result.failures)}")

    def active_jobs(self) -> tuple[JobSummary, ...]:
        """The Flink jobs of our name that have not ended."""
        return self.flink.active_jobs(self.settings.flink_job_name)

    def accounts(self) -> Accounts:
        """How far the job and the ledger have come."""
        topic = self.settings.kafka_topic
        return Accounts.of(
            read_standing(self.postgres, topic).totals,
            self.kafka.committed(self.settings.kafka_consumer_group, topic),
            {number: span.end for number, span in self.kafka.offsets(topic).items()},
        )

    # Order

    def repair(self) -> None:
        """Bring back what a fault has left broken, with the commands that a person would use.

        Raises:
            SetupError, Pi3Error: it could not be.
        """
        self.servers.wake()
        self.stack.start()
        self.api.wait_for_location()
        self.run("start_pipeline")


def wait_for(condition: Callable[[], bool], timeout_s: float, interval_s: float = 0.5) -> bool:
    """Whether the condition came true in time; it is asked at least once.

    A server that is down counts as not yet, and so does an answer that lacks what was asked for.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(Pi3Error, psycopg2.Error, OSError, LookupError):
            if condition():
                return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval_s)
