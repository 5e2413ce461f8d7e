"""The verdicts of asset checks as Dagster's history has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from orchestration.cli.dagster_api import LOCATION, REPOSITORY, DagsterApi

# Asset of each check that a fault may name.
ASSETS: Final = {
    "stream_healthy": "streaming_job",
    "running": "streaming_job",
    "self_heal": "streaming_job",
    "checkpoint_recent": "streaming_job",
    "rows_landing": "events",
    "nothing_lost": "ledger",
    "produced_equals_acknowledged": "event_producer",
}

EXECUTIONS: Final = """
query Executions($asset: AssetKeyInput!, $check: String!, $limit: Int!) {
  assetCheckExecutions(assetKey: $asset, checkName: $check, limit: $limit) {
    evaluation {
      timestamp success description
      metadataEntries { label ... on TextMetadataEntry { text } }
    }
  }
}"""

TICKS: Final = """
query Ticks($sensor: SensorSelector!) {
  sensorOrError(sensorSelector: $sensor) {
    ... on Sensor { sensorState { ticks(limit: 10) { timestamp status } } }
  }
}"""


@dataclass(frozen=True)
class Evaluation:
    """One verdict of a check; `at` is Unix time in seconds, `cause` that of `stream_healthy`'s metadata."""

    passed: bool
    at: float
    description: str = ""
    cause: str = ""


def history(api: DagsterApi, check: str, limit: int = 100) -> list[Evaluation]:
    """The newest evaluations of a check, the oldest of them first; empty if there are none.

    Raises:
        TransientError: the webserver does not answer.
    """
    variables = {"asset": {"path": [ASSETS[check]]}, "check": check, "limit": limit}
    executions = api.ask(EXECUTIONS, variables)["assetCheckExecutions"]
    found = [execution["evaluation"] for execution in executions if execution["evaluation"]]
    return sorted((_evaluation(raw) for raw in found), key=lambda evaluation: evaluation.at)


def _evaluation(raw: dict[str, object]) -> Evaluation:
    entries = raw["metadataEntries"]
    texts = {entry["label"]: entry.get("text", "") for entry in entries} if isinstance(entries, list) else {}
    at = raw["timestamp"]
    return Evaluation(bool(raw["success"]), float(str(at)), str(raw["description"] or ""), str(texts.get("cause", "")))


def last_tick(api: DagsterApi, sensor: str) -> float:
    """When the newest finished tick of a sensor began, in Unix time; 0 if there is none.

    Raises:
        TransientError: the webserver does not answer.
    """
    state = api.ask(TICKS, {"sensor": sensor_selector(sensor)})["sensorOrError"].get("sensorState", {"ticks": []})
    return max((tick["timestamp"] for tick in state["ticks"] if tick["status"] in ("SUCCESS", "SKIPPED")), default=0.0)


def sensor_selector(sensor: str) -> dict[str, str]:
    """How Dagster's GraphQL API names a sensor."""
    return {"repositoryLocationName": LOCATION, "repositoryName": REPOSITORY, "sensorName": sensor}


def red_after(evaluations: Sequence[Evaluation], injected_at: float) -> Evaluation | None:
    """The first failure that the injection can have caused."""
    return next((found for found in evaluations if not found.passed and found.at > injected_at), None)


def green_after(evaluations: Sequence[Evaluation], injected_at: float, ended_at: float) -> Evaluation | None:
    """The first of the passes with which the history ends, if it is later than the fault and the failures it caused.

    A check that failed and passed while the fault lasted turns green with its next word, which may never come: then
    the pass counts that it has stayed with.
    """
    tail: Evaluation | None = None
    for found in reversed(evaluations):
        if not found.passed or found.at <= injected_at:
            break
        tail = found
    if tail is None or red_after(evaluations, injected_at) is None:
        return None
    return tail if tail.at > ended_at else Evaluation(True, ended_at, tail.description, tail.cause)


def causes_after(evaluations: Sequence[Evaluation], injected_at: float) -> tuple[str, ...]:
    """What the failures since the injection named, each once."""
    return tuple(dict.fromkeys(e.cause for e in evaluations if not e.passed and e.cause and e.at > injected_at))
