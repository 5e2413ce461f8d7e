"""The whole pipeline, started as `make run` does and launched from Dagster's GraphQL API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple
from pathlib import Path

import psutil

from contract.cases import CASES
from contract.event import EventRow
from infra.local.secrets import NAMES
from infra.local.stack import Stack
from infra.local.supervisor import orphans
from orchestration.cli.counts import read_counts
from orchestration.cli.dagster_api import DagsterApi
from orchestration.defs.resources import resources
from orchestration.ledger.validator import validate
from orchestration.settings import Settings
from tests.acceptance.pipeline import active, launch, settle, wait_until
from tests.fixtures.records import Record, Row, read_table, read_topic, send


def expected_rows(records: Iterable[Record]) -> dict[str, dict[int, Row]]:
    """For each event_id its newest row of each partition.

    Events of one id share a partition, but for those whose key a producer could not read: which of two partitions
    comes last is then chance.
    """
    rows: dict[str, dict[int, Row]] = {}
    for record in records:
        if isinstance(row := validate(record.value), EventRow):
            newest = rows.setdefault(row.event_id, {})
            newest[record.partition] = (*astuple(row), record.partition, record.offset, record.timestamp)
    return rows


def assert_landed_exactly(settings: Settings) -> None:
    """Each row is what was produced, and each valid event has its row; nothing else is in the table."""
    wanted = expected_rows(read_topic(settings))
    rows = read_table(settings)
    found = {row[0]: row for row in rows}
    assert len(found) == len(rows), "an event_id has two rows"
    lost = wanted.keys() - found.keys()
    phantom = found.keys() - wanted.keys()
    assert not lost, f"lost: {sorted(lost)[:5]} of {len(lost)}"
    assert not phantom, f"phantom: {sorted(phantom)[:5]} of {len(phantom)}"
    differing = {key: (row, wanted[key]) for key, row in found.items() if row not in wanted[key].values()}
    assert not differing, f"found and wanted differ: {dict(list(differing.items())[:3])} of {len(differing)}"


def test_events_land_exactly_as_produced(api: DagsterApi, settings: Settings) -> None:
    launch(api, "start_pipeline")
    settle(settings)
    reports = {report.name: report for report in resources(settings)["producer"].reports()}
    assert {name: report.state for name, report in reports.items()} == {
        "sample-1": "finished",
        "generator-1": "finished",
    }
    counts = read_counts(settings).total
    assert counts.produced == sum(report.acknowledged for report in reports.values())
    assert counts.landed > 6_000
    assert counts.rejected > 0
    assert_landed_exactly(settings)


def test_job_survives_the_poison_set(api: DagsterApi, settings: Settings) -> None:
    del api
    neighbours = [
        f'{{"event_id":"neighbour-{number}","user_name":"n","location":"l"}}'.encode() for number in range(len(CASES))
    ]
    oversize = 1_000_000  # more than the broker takes: the producer refuses such a record before it is sent
    poison = [case.value for case in CASES if case.value is None or len(case.value) < oversize]
    send(settings, [value for good, bad in zip(neighbours, poison, strict=False) for value in (good, bad, good)])
    settle(settings)
    assert_landed_exactly(settings)
    landed = {row[0] for row in read_table(settings)}
    assert {f"neighbour-{number}" for number in range(len(poison))} <= landed


def test_second_launch_adopts_job_and_producers(api: DagsterApi, settings: Settings) -> None:
    flink = resources(settings)["flink"].client
    before = active(flink, settings)
    produced = read_counts(settings).total.produced
    launch(api, "start_pipeline")
    settle(settings)
    assert active(flink, settings) == before
    names = {report.name for report in resources(settings)["producer"].reports()}
    assert "sample-2" not in names, "the sample file is sent once"
    assert read_counts(settings).total.produced == produced + 5_000, "the generator went on with other events"
    assert_landed_exactly(settings)


def test_every_check_passes(api: DagsterApi, settings: Settings) -> None:
    verdicts = api.run("health_check", lambda *_: None).verdicts
    assert {verdict.name for verdict in verdicts} == {
        "rows_landing",
        "no_duplicates",
        "nothing_lost",
        "offsets_balance",
        "audit_keeps_up",
        "deep_audit_clean",
        "dead_letter_share",
        "letters_kept",
        "produced_equals_acknowledged",
        "hours_complete",
        "running",
        "checkpoint_recent",
        "no_restart_storm",
        "stream_healthy",
        "self_heal",
        "retention_ahead",
    }
    assert [verdict for verdict in verdicts if not verdict.passed] == []
    assert settings.dagster_url == api.url


def test_heartbeat_reports_numbers_that_can_be_plotted(api: DagsterApi, settings: Settings) -> None:
    wait_until(lambda: bool(api.materializations("events")), "the heartbeat has reported a materialization of events")
    newest = api.materializations("events")[0]
    partitions = {f"lag_partition_{number}" for number in range(settings.kafka_partitions)}
    assert {"rows", "new_rows", "rows_per_s", "lag", "latency_p50_s", "latency_p99_s"} | partitions <= newest.keys()
    assert 0 <= newest["latency_p50_s"] <= newest["latency_p99_s"]


def test_stop_takes_a_savepoint_and_the_next_start_resumes_from_it(api: DagsterApi, settings: Settings) -> None:
    flink = resources(settings)["flink"]
    launch(api, "stop_pipeline")
    assert active(flink.client, settings) == []
    savepoints = list(Path(settings.flink_state_uri.removeprefix("file://")).glob("savepoints/*/_metadata"))
    assert len(savepoints) == 1
    send(settings, [b'{"event_id":"while-stopped","user_name":"a","location":"b"}'])
    launch(api, "start_pipeline")
    settle(settings)
    (job,) = active(flink.client, settings)
    restored_path = flink.client.checkpoints(job).restored_path
    assert restored_path is not None
    assert restored_path.endswith(str(savepoints[0].parent))
    assert_landed_exactly(settings)


def test_no_server_listens_off_loopback(stack: Stack) -> None:
    processes = orphans(stack.paths.root)
    assert len(processes) >= 7
    listening = [
        connection.laddr
        for process in processes
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) >= 7
    assert {address.ip for address in listening} <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_no_password_in_arguments_logs_or_history(stack: Stack) -> None:
    passwords = [path.read_text() for path in stack.paths.secrets.iterdir()]
    assert len(passwords) == len(NAMES)
    assert all(path.stat().st_mode & 0o077 == 0 for path in stack.paths.secrets.iterdir())
    seen = ["\0".join(process.cmdline()) for process in orphans(stack.paths.root)]
    files = [
        p
        for folder in (stack.paths.log, stack.paths.conf, stack.paths.run, stack.paths.data / "dagster")
        for p in folder.rglob("*")
    ]
    seen += [path.read_bytes().decode(errors="replace") for path in files if path.is_file()]
    assert not any(password in text for password in passwords for text in seen)
