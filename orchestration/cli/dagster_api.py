"""Dagster's GraphQL API, as its UI uses it: launch a job, follow the run, read the verdicts of its checks."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from infra.local.errors import in_one_line
from orchestration.errors import ConfigurationError, Pi3Error, TransientError

LOCATION = "pi3"
REPOSITORY = "__repository__"
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}
# What a code server says of definitions that do not load; other errors are of a server that is still starting.
IMPORT_FAILED = "DagsterUserCodeLoadError"
OWN_ERROR = re.compile(r"orchestration\.[\w.]+: ")

LOCATIONS = """
query Locations {
  workspaceOrError {
    ... on Workspace {
      locationEntries {
        name loadStatus
        locationOrLoadError { __typename ... on PythonError { message causes { message } } }
      }
    }
    ... on PythonError { message }
  }
}"""

LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PipelineNotFoundError { message }
  }
}"""

RUN = """
query Run($runId: ID!) {
  runOrError(runId: $runId) {
    ... on Run {
      status
      stepStats { stepKey status }
      assetCheckEvaluations: eventConnection { events {
        ... on AssetCheckEvaluationEvent { evaluation { checkName success severity description assetKey { path } } }
        ... on ExecutionStepFailureEvent { stepKey error { message causes { message } } }
        ... on RunFailureEvent { message error { message causes { message } } }
      } }
    }
    ... on Error { message }
  }
}"""

MATERIALIZATIONS = """
query Materializations($key: AssetKeyInput!, $limit: Int!) {
  assetOrError(assetKey: $key) {
    ... on Asset {
      assetMaterializations(limit: $limit) {
        metadataEntries { label ... on IntMetadataEntry { intValue } ... on FloatMetadataEntry { floatValue } }
      }
    }
  }
}"""

LATEST_VERDICT = """
query LatestVerdict($key: AssetKeyInput!, $check: String!) {
  assetCheckExecutions(assetKey: $key, checkName: $check, limit: 10) {
    evaluation { checkName success severity description timestamp assetKey { path } }
  }
}"""


CHECKS = """
query Checks {
  assetNodes { assetKey { path } assetChecksOrError { ... on AssetChecks { checks { name } } } }
}"""


@dataclass(frozen=True)
class CheckVerdict:
    """The result of one asset check; `at_s` (Unix time) is known of the newest one only."""

    asset: str
    name: str
    passed: bool
    severity: str
    description: str
    at_s: float | None = None

    @property
    def word(self) -> str:
        """`passed`, or how bad it is."""
        return "passed" if self.passed else self.severity


@dataclass(frozen=True)
class RunResult:
    """A finished run: its end, its checks' verdicts, and what failed in it."""

    run_id: str
    status: str
    verdicts: tuple[CheckVerdict, ...]
    failures: tuple[str, ...]


class RunFailedError(Pi3Error):
    """A run that we launched did not succeed; the message carries the cause and the run's address."""


class DagsterApi:
    """A client of one Dagster webserver."""

    def __init__(self, url: str, timeout_s: float = 10) -> None:
        self.url = url
        self._timeout_s = timeout_s
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the environment knows nothing of this machine's loopback

    def wait_for_location(self, timeout_s: float = 90) -> None:
        """Wait until the code location is loaded.

        Raises:
            ConfigurationError: the definitions do not load.
            TransientError: they are not loaded in time.
        """
        deadline = time.monotonic() + timeout_s
        problem = ""
        while time.monotonic() < deadline:
            for entry in self._entries():
                state = entry["locationOrLoadError"] or {}
                if state.get("__typename") == "RepositoryLocation":
                    return
                problem = _words(state) if state else ""
                if IMPORT_FAILED in state.get("message", ""):
                    raise ConfigurationError(f"Dagster cannot load the definitions: {problem}")
            time.sleep(0.3)
        raise TransientError(f"Dagster at {self.url} did not load the code location in {timeout_s:.0f} s: {problem}")

    def launch(self, job: str, run_config: Mapping[str, Any] | None = None) -> str:
        """Launch a job as the UI's button does; returns the run id.

        Raises:
            ConfigurationError: the job does not exist or refuses its configuration.
        """
        selector = {"repositoryLocationName": LOCATION, "repositoryName": REPOSITORY, "pipelineName": job}
        tags = [{"key": "pi3/launched_by", "value": "command line"}]
        params = {"selector": selector, "runConfigData": run_config or {}, "executionMetadata": {"tags": tags}}
        answer = self.ask(LAUNCH, {"params": params})["launchPipelineExecution"]
        if answer["__typename"] != "LaunchRunSuccess":
            errors = "; ".join(error["message"] for error in answer.get("errors", ()))
            reason = in_one_line(answer.get("message") or errors or answer["__typename"])
            raise ConfigurationError(f"Dagster refused to launch {job}: {reason}")
        return str(answer["run"]["runId"])

    def follow(self, run_id: str, on_step: Callable[[str, str], None], timeout_s: float = 300) -> RunResult:
        """Wait for the end of a run, reporting each change of a step's status.

        Raises:
            TransientError: the run has not ended in time.
        """
        seen: dict[str, str] = {}
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            run = self.ask(RUN, {"runId": run_id})["runOrError"]
            if "status" not in run:
                raise ConfigurationError(f"Dagster at {self.url} does not show run {run_id}: {_words(run)}")
            for step in run["stepStats"]:
                if seen.get(step["stepKey"]) != step["status"]:
                    seen[step["stepKey"]] = step["status"]
                    on_step(step["stepKey"], step["status"])
            if run["status"] in ENDED:
                return _result(run_id, run)
            time.sleep(0.3)
        raise TransientError(f"run {self.run_url(run_id)} has not ended within {timeout_s:.0f} s")

    def run(
        self,
        job: str,
        on_step: Callable[[str, str], None],
        timeout_s: float = 300,
        run_config: Mapping[str, Any] | None = None,
    ) -> RunResult:
        """Launch a job, follow it, and insist on success.

        Raises:
            RunFailedError: the run failed or was cancelled.
        """
        result = self.follow(self.launch(job, run_config), on_step, timeout_s)
        if result.status != "SUCCESS":
            cause = "; ".join(result.failures) or "see the run's log"
            raise RunFailedError(f"{job} ended as {result.status}: {cause} ({self.run_url(result.run_id)})")
        return result

    def materializations(self, asset: str, limit: int = 10) -> list[dict[str, float]]:
        """Numeric metadata of the newest materializations, the newest first."""
        answer = self.ask(MATERIALIZATIONS, {"key": {"path": asset.split("/")}, "limit": limit})["assetOrError"]
        return [_numbers(entry["metadataEntries"]) for entry in answer.get("assetMaterializations", [])]

    def latest_verdict(self, asset: str, check: str) -> CheckVerdict | None:
        """The newest verdict of a check, None if there is none among its last executions."""
        answer = self.ask(LATEST_VERDICT, {"key": {"path": asset.split("/")}, "check": check})["assetCheckExecutions"]
        return next((_verdict(execution["evaluation"]) for execution in answer if execution["evaluation"]), None)

    def checks(self) -> list[tuple[str, str]]:
        """Asset and name of every check."""
        nodes = self.ask(CHECKS)["assetNodes"]
        return [
            ("/".join(node["assetKey"]["path"]), check["name"])
            for node in nodes
            for check in node["assetChecksOrError"].get("checks", ())
        ]

    def run_url(self, run_id: str) -> str:
        """The run's page in the UI."""
        return f"{self.url}/runs/{run_id}"

    def _entries(self) -> list[dict[str, Any]]:
        try:
            return list(self.ask(LOCATIONS)["workspaceOrError"].get("locationEntries", []))
        except TransientError:
            return []

    def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The data of the answer to a GraphQL query.

        Raises:
            TransientError: the webserver does not answer.
            ConfigurationError: it refuses the query.
        """
        try:
            body = {"query": query, "variables": variables or {}}
            answer = self._session.post(f"{self.url}/graphql", json=body, timeout=self._timeout_s).json()
        except (requests.RequestException, ValueError) as error:
            raise TransientError(
                f"Dagster at {self.url} does not answer ({type(error).__name__}): is the stack running?"
            ) from error
        if answer.get("errors"):
            raise ConfigurationError(f"Dagster at {self.url} refused a query: {answer['errors'][0]['message']}")
        return dict(answer["data"])


def _result(run_id: str, run: dict[str, Any]) -> RunResult:
    events = run["assetCheckEvaluations"]["events"]
    return RunResult(
        run_id,
        run["status"],
        tuple(_verdict(event["evaluation"]) for event in events if event.get("evaluation")),
        _failures(events),
    )


def _numbers(entries: list[dict[str, Any]]) -> dict[str, float]:
    values = {entry["label"]: entry.get("intValue", entry.get("floatValue")) for entry in entries}
    return {label: float(value) for label, value in values.items() if value is not None}


def _verdict(evaluation: dict[str, Any]) -> CheckVerdict:
    return CheckVerdict(
        "/".join(evaluation["assetKey"]["path"]),
        evaluation["checkName"],
        evaluation["success"],
        evaluation["severity"],
        evaluation["description"] or "",
        evaluation.get("timestamp"),
    )


def _failures(events: list[dict[str, Any]]) -> tuple[str, ...]:
    """What each failed step said; a run that failed without one (it was killed, or lost) says so itself."""
    steps = [event for event in events if event.get("stepKey") and event.get("error")]
    if steps:
        return tuple(f"{event['stepKey']}: {_words(event['error'])}" for event in steps)
    runs = [event for event in events if "error" in event and "stepKey" not in event]
    return tuple(f"run: {_words(event.get('error') or event)}" for event in runs)


def _words(error: Mapping[str, Any]) -> str:
    """One line of an error and its causes: our own message if one of them is ours, else the innermost."""
    messages = [cause["message"] for cause in (error, *(error.get("causes") or ()))]
    own = [message for message in messages if OWN_ERROR.match(message)]
    return OWN_ERROR.sub("", in_one_line(own[0] if own else messages[-1]))
