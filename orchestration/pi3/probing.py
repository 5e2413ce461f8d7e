"""What of a preflight needs more than a question: a job that writes one row, and clocks that are told by the way."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
import time
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from flink_jobs.probe import FOLDER
from orchestration.errors import ConfigurationError
from orchestration.flink.client import FlinkClient
from orchestration.pi3 import readiness, servers
from orchestration.pi3.findings import Finding
from orchestration.settings import REPOSITORY, Settings, child_environment

SUBMIT_S: Final = 120.0
PROBE_S: Final = 60.0
_POLL_S: Final = 0.3


def flink_probe(found: servers.Servers) -> list[Finding]:
    """Submit the probe, wait for its end, and look for its row; nothing of it stays."""
    settings, client = found.settings, found.stream.flink.client
    if not client.overview().slots_available:
        return [readiness.no_slot(settings.flink_rest_url)]
    folder, where = _writable(settings), settings.flink_state_uri
    if folder is None:
        return [readiness.folder(where, written=False, seen=False)]
    try:
        began_s = time.time()
        job_id = _submit(settings)
        state, ahead_s = _await_end(client, job_id)
        if state != "FINISHED":
            causes = [failure.causes[-1] for failure in client.exceptions(job_id, 1)]
            return [readiness.probe_failed(settings.flink_rest_url, causes[0] if causes else state)]
        rows = _rows(folder / job_id)
        told = [readiness.folder(where, written=True, seen=bool(rows))]
        by_row = {"flink's TaskManager": readiness.outside(rows[0], began_s, time.time())} if rows else {}
        clocks = {"flink's JobManager": ahead_s, **by_row}
        return [*told, *readiness.clocks(clocks)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _writable(settings: Settings) -> Path | None:
    """The probe's folder, made by us; None: it cannot be."""
    from orchestration.flink.storage import local_folder

    folder = local_folder(settings.flink_state_uri) / FOLDER
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)  # Flink's user is another one, perhaps
        (folder / "dagster").touch()
    except OSError:
        return None
    return folder


def _submit(settings: Settings) -> str:
    from orchestration.flink.submit import submit
    from orchestration.streaming_job import job_spec

    path = settings.run_dir / f"{FOLDER}.json"
    replace(job_spec(settings), job_id=secrets.token_hex(16)).write(path)
    command = (sys.executable, "-m", "flink_jobs.main", "--probe", "--spec", str(path))
    return submit(command, child_environment(), SUBMIT_S, str(REPOSITORY))


def _await_end(client: FlinkClient, job_id: str) -> tuple[str, float]:
    """The job's last state, and how far the JobManager's clock is ahead of ours in seconds."""
    deadline = time.monotonic() + PROBE_S
    while not (job := client.job(job_id)).ended:
        if time.monotonic() > deadline:
            client.cancel(job_id)
            return f"{job.state} after {PROBE_S:g} s; are slots free?", 0.0
        time.sleep(_POLL_S)
    asked_s = time.time()
    now_s = client.clock_ms(job_id) / 1000
    return job.state, now_s - (asked_s + time.time()) / 2


def _rows(folder: Path) -> list[float]:
    """When the TaskManager wrote, in Unix seconds by its own clock."""
    lines = [line for path in folder.glob("part-*") for line in path.read_text().splitlines()]
    return [unix_s(str(json.loads(line)["written_at"])) for line in lines]


def unix_s(stamp: str) -> float:
    """A timestamp of UTC as Flink writes it, with any number of digits below the second."""
    whole, _, fraction = stamp.partition(".")
    return datetime.fromisoformat(whole).replace(tzinfo=timezone.utc).timestamp() + float(f"0.{fraction or 0}")


def postgres_ahead_s(found: servers.Servers) -> float:
    """How far the server's clock is ahead of ours."""
    from orchestration.ledger.store import LedgerStore

    with found.postgres.connect("reader") as connection:
        store = LedgerStore(connection, found.settings.kafka_topic)
        asked = datetime.now(timezone.utc)
        now = store.now()
        return (now - asked - (datetime.now(timezone.utc) - asked) / 2).total_seconds()


def newest_record(found: servers.Servers) -> Finding:
    """The newest timestamp among the last records of the partitions."""
    from orchestration.ledger.reader import RecordReader

    try:
        spans = found.kafka.offsets(found.settings.kafka_topic)
    except ConfigurationError:  # no such topic yet
        return readiness.newest_record(None)
    with RecordReader(found.kafka.brokers, found.settings.kafka_topic) as reader:
        stamps = [
            record.timestamp_ms
            for number, span in spans.items()
            for record in reader.read_range(number, max(span.begin, span.end - 1), span.end)
        ]
    return readiness.newest_record(max(stamps) / 1000 - time.time() if stamps else None)
