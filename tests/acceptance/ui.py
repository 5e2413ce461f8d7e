"""What a person does in Dagster's UI, besides launching: terminate a run, switch a sensor off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from orchestration.cli.dagster_api import DagsterApi
from tests.faults.checks import sensor_selector

TERMINATE = """
mutation Terminate($runId: String!) { terminateRun(runId: $runId) { __typename ... on Error { message } } }"""
SENSOR = """
query Sensor($selector: SensorSelector!) {
  sensorOrError(sensorSelector: $selector) { ... on Sensor { sensorState { id } } ... on Error { message } }
}"""
STOP = "mutation Stop($id: String!) { stopSensor(id: $id) { __typename } }"
START = "mutation Start($selector: SensorSelector!) { startSensor(sensorSelector: $selector) { __typename } }"
STATUS = "query Status($runId: ID!) { runOrError(runId: $runId) { ... on Run { status } } }"
OBSERVATIONS = """
query Observations($key: AssetKeyInput!) {
  assetOrError(assetKey: $key) {
    ... on Asset {
      assetObservations(limit: 5) {
        runId
        metadataEntries {
          label
          ... on TextMetadataEntry { text }
          ... on IntMetadataEntry { intValue }
          ... on FloatMetadataEntry { floatValue }
        }
      }
    }
  }
}"""


def graphql(api: DagsterApi, query: str, **variables: object) -> dict[str, Any]:
    """The data of the answer; to end a run takes longer than what a command line asks for."""
    return DagsterApi(api.url, timeout_s=30).ask(query, variables)


def terminate(api: DagsterApi, run_id: str) -> None:
    """Ask a run to end."""
    answer = graphql(api, TERMINATE, runId=run_id)["terminateRun"]
    assert answer["__typename"] == "TerminateRunSuccess", answer


def status(api: DagsterApi, run_id: str) -> str:
    """Of a run, such as STARTED."""
    return str(graphql(api, STATUS, runId=run_id)["runOrError"]["status"])


def observations(api: DagsterApi, asset: str, run_id: str | None = None) -> list[dict[str, Any]]:
    """Metadata of the newest observations of an asset, the newest first; `run_id`: of just that run."""
    found = graphql(api, OBSERVATIONS, key={"path": [asset]})["assetOrError"]["assetObservations"]
    return [
        {
            entry["label"]: next(value for key, value in entry.items() if key != "label")
            for entry in one["metadataEntries"]
        }
        for one in found
        if run_id in (None, one["runId"])
    ]


@contextmanager
def switched_off(api: DagsterApi, sensor: str) -> Iterator[None]:
    """Without this sensor, for as long as the block lasts."""
    selector = sensor_selector(sensor)
    state = graphql(api, SENSOR, selector=selector)["sensorOrError"]["sensorState"]
    graphql(api, STOP, id=state["id"])
    try:
        yield
    finally:
        graphql(api, START, selector=selector)
