"""Every fault of the suite, the milder ones of a group first."""

from __future__ import annotations

from typing import Final

from tests.faults import (
    broker_faults,
    dagster_faults,
    disk_faults,
    flink_faults,
    link_faults,
    postgres_faults,
    producer_faults,
)
from tests.faults.fault import Fault

ALL: Final[tuple[Fault, ...]] = (
    *producer_faults.FAULTS,
    *broker_faults.FAULTS,
    *flink_faults.FAULTS,
    *postgres_faults.FAULTS,
    *link_faults.FAULTS,
    *dagster_faults.FAULTS,
    *disk_faults.FAULTS,  # last, for they need a stack of their own
)

# One of each group that is over quickly: these run with the other tests.
FAST: Final = (
    "producer-kill",
    "broker-kill",
    "taskmanager-kill",
    "jobmanager-kill",
    "job-cancelled-behind-dagster",
    "postgres-immediate-stop",
    "link-producer-kafka-cut-20s",
    "dagster-code-server-kill",
    "everything-killed",
)
