"""`pi3 status`: the whole pipeline on one page."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

import typer

from infra.local.errors import SetupError
from orchestration.errors import Pi3Error
from orchestration.pi3 import servers
from orchestration.pi3.job import job_rows
from orchestration.pi3.output import AsJson, Row, note, show
from orchestration.text import one_line

# Whatever does not answer leaves the others' answers standing.
EXPECTED: Final = (Pi3Error, SetupError)


def status(as_json: AsJson = False) -> None:
    """Servers, job, lag and fates by partition, and the newest verdict of each check. Ends with 1 if one is bad."""
    found = servers.connect()
    reads: dict[str, Callable[[servers.Servers], Sequence[Row]]] = {
        "servers": _servers,
        "job": job_rows,
        "records": _records,
        "checks": check_rows,
    }
    parts: dict[str, Sequence[Row]] = {}
    errors = []
    for part, read in reads.items():
        try:
            parts[part] = read(found)
        except EXPECTED as error:
            errors.append(f"{part} unknown: {one_line(error)}")
    show(parts, as_json)
    for line in errors:
        note(f"error: {line}")
    if errors or not is_well(parts):
        raise typer.Exit(1)


def is_well(parts: dict[str, Sequence[Row]]) -> bool:
    """Whether all servers run and no check's newest verdict is an error."""
    return all(row["state"] == "RUNNING" for row in parts.get("servers", ())) and all(
        row["verdict"] != "ERROR" for row in parts.get("checks", ())
    )


def check_rows(found: servers.Servers) -> list[Row]:
    """The newest verdict of each check that has one; it may be older than what it judged."""
    now_s = time.time()
    newest = (found.dagster.latest_verdict(asset, name) for asset, name in found.dagster.checks())
    return [
        {
            "verdict": verdict.word,
            "age_s": None if verdict.at_s is None else round(now_s - verdict.at_s),
            "check": f"{verdict.asset}.{verdict.name}",
            "why": verdict.description,
        }
        for verdict in newest
        if verdict is not None
    ]


def _servers(found: servers.Servers) -> list[Row]:
    """The supervised ones; there are none where the user brings servers."""
    from orchestration.cli.local import local_stack

    now_s = time.time()
    return [
        {
            "server": state.name,
            "state": state.state,
            "pid": state.pid or None,
            "uptime_s": round(now_s - state.started_at) if state.pid else None,
        }
        for state in local_stack(found.settings, note).states()
    ]


def _records(found: servers.Servers) -> list[Row]:
    """`uncommitted`: what the job has still to land; `lag`: what the ledger has still to account for."""
    from orchestration.cli.counts import COLUMNS, read_counts
    from orchestration.snapshot import lag_by_partition

    counts = read_counts(found.settings)
    lags = {str(number): lag for number, lag in lag_by_partition(found.settings, found.kafka).items()}
    return [
        {
            "partition": row.name,
            **{column: getattr(row, column) for column in COLUMNS},
            "uncommitted": lags.get(row.name, sum(lags.values())),
        }
        for row in (*counts.partitions, counts.total)
    ]
