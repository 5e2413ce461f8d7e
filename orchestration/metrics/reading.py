"""What Dagster's history says last of the stream, in two requests, whatever the history's size.

The heartbeat and the ledger's passes have asked the servers already: to read their last word costs Dagster some
milliseconds, the servers nothing, and needs no password.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestration.cli.dagster_api import DagsterApi

# By asset a label that each of its reports has, and no other observation of it, as that of a replay or a deep audit.
REPORTS: Final = {"events": "health", "ledger": "landed", "dead_letters": "dead_letters"}

# An integer as text: GraphQL's own have 32 bits.
NEWEST: Final = """
fragment Newest on Asset {
  assetMaterializations(limit: 5) { ...Told }
  assetObservations(limit: 5) { ...Told }
}
fragment Told on DisplayableEvent {
  ... on MaterializationEvent { timestamp }
  ... on ObservationEvent { timestamp }
  metadataEntries {
    label
    ... on IntMetadataEntry { intRepr }
    ... on FloatMetadataEntry { floatValue }
    ... on TextMetadataEntry { text }
  }
}"""


@dataclass(frozen=True)
class Report:
    """The newest metadata of an asset; `at_s` is in Unix seconds."""

    at_s: float
    numbers: Mapping[str, float]
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Standing:
    """The newest report of each asset that has one, and by asset and check how bad the newest verdict is.

    0: passed; 1: a warning, also when a server was out of reach; 2: an error.
    """

    reports: Mapping[str, Report]
    severities: Mapping[tuple[str, str], int]


def read_standing(api: DagsterApi, checks: Sequence[tuple[str, str]]) -> Standing:
    """Ask Dagster; `checks` are those of `DagsterApi.checks`.

    Raises:
        TransientError: the webserver does not answer.
        ConfigurationError: it refuses the query.
    """
    answer = api.ask(query(checks))
    reports = {asset: newest(answer[asset], label) for asset, label in REPORTS.items()}
    severities = {check: severity(answer[f"check_{index}"]) for index, check in enumerate(checks)}
    return Standing(
        {asset: report for asset, report in reports.items() if report is not None},
        {check: found for check, found in severities.items() if found is not None},
    )


def query(checks: Sequence[tuple[str, str]]) -> str:
    """One query for everything."""
    fields = [f'{asset}: assetOrError(assetKey: {{path: ["{asset}"]}}) {{ ...Newest }}' for asset in REPORTS]
    for index, (asset, name) in enumerate(checks):
        at = f"assetKey: {{path: {json.dumps(asset.split('/'))}}}, checkName: {json.dumps(name)}"
        # The last execution may be one that has not ended yet.
        fields.append(f"check_{index}: assetCheckExecutions({at}, limit: 3) {{ evaluation {{ success severity }} }}")
    return "query Standing {\n" + "\n".join(fields) + "\n}" + NEWEST


def newest(asset: Mapping[str, Any], label: str) -> Report | None:
    """The last materialization or observation that has the label."""
    events = [*asset.get("assetMaterializations", ()), *asset.get("assetObservations", ())]
    reports = [event for event in events if any(entry["label"] == label for entry in event["metadataEntries"])]
    if not reports:
        return None
    event = max(reports, key=lambda event: float(event["timestamp"]))
    entries = event["metadataEntries"]
    numbers = {entry["label"]: entry.get("intRepr", entry.get("floatValue")) for entry in entries}
    return Report(
        float(event["timestamp"]) / 1000,
        {label: float(value) for label, value in numbers.items() if value is not None},
        {entry["label"]: entry["text"] for entry in entries if "text" in entry},
    )


def severity(executions: Sequence[Mapping[str, Any]]) -> int | None:
    """How bad the newest verdict is; None if there is none."""
    verdict = next((execution["evaluation"] for execution in executions if execution["evaluation"]), None)
    if verdict is None:
        return None
    return 0 if verdict["success"] else {"WARN": 1, "ERROR": 2}[verdict["severity"]]
