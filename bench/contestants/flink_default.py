"""Flink's stock JSON format into its stock JDBC sink as they come: 100 rows or a second a flush, three columns."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from string import Template

from bench import jars
from bench.contestants.contestant import Contestant, Race
from bench.contestants.ours import settings_of, stream
from bench.processes import DATA_SERVERS, FLINK_SERVERS, Program
from bench.table import PLAIN, SQL
from flink_jobs.builder import Definition, define
from flink_jobs.spec import JobSpec
from orchestration.flink.submit import submit
from orchestration.lifecycle.submission import TIMEOUT_S
from orchestration.resources.sql_files import sql_file
from orchestration.settings import REPOSITORY, child_environment, password_file
from orchestration.streaming_job import job_spec

__all__ = ["FLINK_DEFAULT"]


@contextmanager
def _start(race: Race) -> Iterator[list[Program]]:
    settings = settings_of(race)
    flink = stream(settings).flink
    connector = jars.link(race.site.stack.paths, jars.STOCK_SINK)
    spec = replace(
        job_spec(settings),
        jars=tuple(str(jar.resolve()) for jar in sorted(connector.iterdir())),
        job_id=secrets.token_hex(16),
        jdbc_user=settings.postgres_owner,
        password_file=str(password_file(settings, "owner")),
        definition_file=str(settings.run_dir / f"{race.run}.definition.json"),
    )
    Path(str(spec.definition_file)).write_text(_definition(spec).to_json(), encoding="utf-8")
    path = settings.run_dir / f"{race.run}.json"
    spec.write(path)
    command = (sys.executable, "-m", "flink_jobs.main", "--spec", str(path))
    job_id = submit(command, child_environment(), TIMEOUT_S, str(REPOSITORY))
    try:
        yield []
    finally:
        flink.cancel(job_id)


def _definition(spec: JobSpec) -> Definition:
    """The shipped job's settings, with another source, sink and insert."""
    source = Template(sql_file(SQL, "stock_source")).safe_substitute(
        topic=f"'{spec.topic}'",
        bootstrap_servers=f"'{spec.bootstrap_servers}'",
        consumer_group=f"'{spec.consumer_group}'",
    )
    sink = Template(sql_file(SQL, "stock_sink")).substitute(jdbc_url=spec.jdbc_url, jdbc_user=spec.jdbc_user)
    return replace(define(spec), source=source, sink=sink, insert=sql_file(SQL, "stock_insert"))


FLINK_DEFAULT = Contestant("flink-default", _start, PLAIN, DATA_SERVERS + FLINK_SERVERS, warms_up=True)
