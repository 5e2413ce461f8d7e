"""This project's job, submitted as Dagster submits it, with or without the ledger's passes beside it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.contestants.contestant import Contestant, Race, Starter, running
from bench.processes import DATA_SERVERS, FLINK_SERVERS, Program
from bench.table import EVENTS
from orchestration.defs.resources import resources
from orchestration.settings import Settings
from orchestration.streaming_job import StreamingJob

__all__ = ["OURS", "OURS_WITH_LEDGER", "launched_with", "ledger_passes", "settings_of", "stream", "streaming"]


def settings_of(race: Race) -> Settings:
    """The defaults, but for what must differ from run to run; the state folder too, or a run would resume another."""
    return race.site.with_settings(
        kafka_topic=race.topic,
        kafka_consumer_group=race.run,
        flink_job_name=race.run,
        flink_state_uri=f"{race.site.settings.flink_state_uri}/{race.run}",
    )


def stream(settings: Settings) -> StreamingJob:
    """The job and what may be done with it."""
    found: StreamingJob = resources(settings)["stream"]
    return found


@contextmanager
def streaming(settings: Settings) -> Iterator[StreamingJob]:
    """Launch the job, which takes the writer lease, and cancel it at the end."""
    job = stream(settings)
    try:
        job.ensure_running()
        yield job
    finally:
        job.cancel()
        shutil.rmtree(Path(urlsplit(settings.flink_state_uri).path), ignore_errors=True)


def launched_with(**changed: Any) -> Starter:  # noqa: ANN401 - of many types
    """The job alone, with some settings changed."""

    @contextmanager
    def start(race: Race) -> Iterator[list[Program]]:
        with streaming(settings_of(race).model_copy(update=changed)):
            yield []

    return start


@contextmanager
def _with_ledger(race: Race) -> Iterator[list[Program]]:
    with streaming(settings_of(race)), running([ledger_passes(race)]) as programs:
        yield programs


def ledger_passes(race: Race) -> Program:
    """Passes as the sensor does them, in a process of their own; there they run in Dagster's code server."""
    folder = str(race.site.stack.paths.root)
    command = (sys.executable, "-W", "ignore", "-m", "bench.programs.ledger_passes", folder, race.topic, race.run)
    return Program("ledger", command, race.site.folder / f"{race.run}-ledger.log")


OURS = Contestant("ours", launched_with(), EVENTS, DATA_SERVERS + FLINK_SERVERS, warms_up=True)
OURS_WITH_LEDGER = Contestant("ours+ledger", _with_ledger, EVENTS, DATA_SERVERS + FLINK_SERVERS, warms_up=True)
