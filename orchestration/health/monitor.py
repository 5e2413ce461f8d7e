"""One examination of the stream: remember, gather, diagnose, keep."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final

import dagster as dg

from orchestration.errors import TransientError
from orchestration.health import memory
from orchestration.health.diagnosis import Diagnosis, diagnose
from orchestration.health.facts import Desired, StreamFacts
from orchestration.health.gather import Servers, gather
from orchestration.health.read_postgres import read_desired
from orchestration.health.view import Limits
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import Settings

# A verdict that stays is told again after so long, so that it is seen to be current.
REPEAT_S: Final = 300.0
# Progress shows only between two snapshots.
APART_S: Final = 5.0


@dataclass(frozen=True)
class Examination:
    """`news`: the cause or its severity has changed since it was told last, or that was long ago."""

    facts: StreamFacts
    diagnosis: Diagnosis
    news: bool


def examine(instance: dg.DagsterInstance, settings: Settings, servers: Servers) -> Examination:
    """Compare the servers with what the examination before has left, whoever made it. Takes at most ten seconds."""
    kept = memory.load(instance, settings.flink_job_name)
    before = kept.memory if kept else None
    facts = gather(settings, servers, before.track if before else None)
    diagnosis = diagnose(facts, before, Limits.of(settings))
    told = kept.told if kept else None
    memory.keep(instance, settings.flink_job_name, memory.Kept(diagnosis.memory, told))
    current = memory.Told.of(diagnosis, facts.at_s)
    news = told is None or not told.repeats(current) or current.at_s - told.at_s >= REPEAT_S
    return Examination(facts, diagnosis, news)


def examine_twice(instance: dg.DagsterInstance, settings: Settings, servers: Servers) -> Examination:
    """An examination that knows of progress, also where there was none before, for a run of the check.

    A run's verdict counts in Dagster from when the run was planned, so the heartbeat tells the next one in any case.
    """
    if memory.load(instance, settings.flink_job_name) is None:
        examine(instance, settings, servers)
        time.sleep(APART_S)
    examined = examine(instance, settings, servers)
    memory.keep(instance, settings.flink_job_name, memory.Kept(examined.diagnosis.memory))
    return examined


def tell(instance: dg.DagsterInstance, settings: Settings, examined: Examination) -> None:
    """Remember that the diagnosis has been reported."""
    kept = memory.Kept(examined.diagnosis.memory, memory.Told.of(examined.diagnosis, examined.facts.at_s))
    memory.keep(instance, settings.flink_job_name, kept)


def desired(instance: dg.DagsterInstance, settings: Settings, postgres: PostgresResource) -> Desired | None:
    """What is wanted of the job, or was when Postgres could be asked last; None if nobody has asked for it."""
    try:
        return read_desired(replace(postgres, statement_timeout_s=5), settings.flink_job_name)
    except TransientError:
        kept = memory.load(instance, settings.flink_job_name)
        return kept.memory.track.desired if kept else None
