"""The client of Dagster's API, against a real HTTP server with canned answers."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from orchestration.cli.dagster_api import CheckVerdict, DagsterApi, RunFailedError
from orchestration.errors import ConfigurationError, TransientError

LAUNCHED = {"launchPipelineExecution": {"__typename": "LaunchRunSuccess", "run": {"runId": "r1"}}}


@dataclass
class Webserver:
    """Answers each query with the next of its answers, the last one for ever; keeps what it was asked."""

    url: str = ""
    answers: dict[str, list[Any]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, body: dict[str, Any]) -> bytes:
        self.asked.append(body)
        found = re.search(r"(?:query|mutation) (\w+)", body["query"])
        assert found
        answers = self.answers[found[1]]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


@pytest.fixture
def webserver() -> Iterator[Webserver]:
    """A server on a free port of loopback."""
    told = Webserver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(told.answer(body))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield told
        server.shutdown()
        thread.join()


@pytest.fixture
def api(webserver: Webserver) -> DagsterApi:
    """A client of that server."""
    return DagsterApi(webserver.url, timeout_s=2)


def location(state: dict[str, Any] | None) -> dict[str, Any]:
    entry = {"name": "pi3", "loadStatus": "LOADED", "locationOrLoadError": state}
    return {"data": {"workspaceOrError": {"locationEntries": [entry]}}}


def run(status: str, *events: dict[str, Any], **steps: str) -> dict[str, Any]:
    stats = [{"stepKey": key, "status": step} for key, step in steps.items()]
    found = {"status": status, "stepStats": stats, "assetCheckEvaluations": {"events": list(events)}}
    return {"data": {"runOrError": found}}


def error(*messages: str) -> dict[str, Any]:
    """Dagster's error with its causes, outermost first."""
    first, *causes = messages
    return {"message": first, "causes": [{"message": message} for message in causes]}


def test_a_location_is_waited_for(api: DagsterApi, webserver: Webserver) -> None:
    starting = error("DagsterUserCodeUnreachableError: no server")
    webserver.answers["Locations"] = [
        b"the proxy says 502",
        location(None),
        location({"__typename": "PythonError", **starting}),
        location({"__typename": "RepositoryLocation"}),
    ]
    api.wait_for_location(timeout_s=10)
    assert len(webserver.asked) == 4


def test_definitions_that_do_not_load_are_told_at_once_in_one_line(api: DagsterApi, webserver: Webserver) -> None:
    told = error(
        "dagster._core.errors.DagsterUserCodeLoadError: Error occurred during the loading of definitions in\nx",
        "orchestration.errors.ConfigurationError: unknown setting PI3_X: remove it\n",
    )
    webserver.answers["Locations"] = [location({"__typename": "PythonError", **told})]
    with pytest.raises(ConfigurationError) as caught:
        api.wait_for_location(timeout_s=10)
    assert str(caught.value) == "Dagster cannot load the definitions: unknown setting PI3_X: remove it"


def test_a_location_that_does_not_come_is_transient(api: DagsterApi, webserver: Webserver) -> None:
    webserver.answers["Locations"] = [location({"__typename": "PythonError", **error("no server\nyet")})]
    with pytest.raises(TransientError, match=r"did not load the code location in 0 s: no server yet$"):
        api.wait_for_location(timeout_s=0.2)


def test_a_job_is_launched_as_the_button_does(api: DagsterApi, webserver: Webserver) -> None:
    webserver.answers["Launch"] = [{"data": LAUNCHED}]
    assert api.launch("start_pipeline", {"ops": {}}) == "r1"
    params = webserver.asked[0]["variables"]["params"]
    assert params["selector"] == {
        "repositoryLocationName": "pi3",
        "repositoryName": "__repository__",
        "pipelineName": "start_pipeline",
    }
    assert params["runConfigData"] == {"ops": {}}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"__typename": "PipelineNotFoundError", "message": "no such\njob"}, "no such job"),
        ({"__typename": "RunConfigValidationInvalid", "errors": [{"message": "a"}, {"message": "b"}]}, "a; b"),
        ({"__typename": "UnauthorizedError"}, "UnauthorizedError"),
    ],
)
def test_a_refused_launch_says_why(answer: dict[str, Any], words: str, api: DagsterApi, webserver: Webserver) -> None:
    webserver.answers["Launch"] = [{"data": {"launchPipelineExecution": answer}}]
    with pytest.raises(ConfigurationError, match=f"^Dagster refused to launch start_pipeline: {words}$"):
        api.launch("start_pipeline")


def test_a_run_is_followed_to_its_end(api: DagsterApi, webserver: Webserver) -> None:
    evaluation = {
        "checkName": "no_duplicates",
        "success": False,
        "severity": "WARN",
        "description": None,
        "assetKey": {"path": ["pi3", "events"]},
    }
    webserver.answers["Launch"] = [{"data": LAUNCHED}]
    webserver.answers["Run"] = [
        run("QUEUED"),
        run("STARTED", a="IN_PROGRESS"),
        run("STARTED", a="IN_PROGRESS"),
        run("SUCCESS", {"evaluation": evaluation}, {}, a="SUCCESS", b="SUCCESS"),
    ]
    seen: list[tuple[str, str]] = []
    result = api.run("health_check", lambda step, status: seen.append((step, status)), timeout_s=10)
    assert seen == [("a", "IN_PROGRESS"), ("a", "SUCCESS"), ("b", "SUCCESS")]
    assert (result.run_id, result.status, result.failures) == ("r1", "SUCCESS", ())
    assert result.verdicts == (CheckVerdict("pi3/events", "no_duplicates", False, "WARN", ""),)


STEP_FAILED = 'dagster._core.errors.DagsterExecutionStepExecutionError: Error occurred while executing op "x":\n'
OURS = (
    "orchestration.errors.ConfigurationError: topic t has 1 partitions and 4 are wanted: set\nPI3_KAFKA_PARTITIONS=1\n"
)
NOT_RETRIED = "dagster._core.definitions.events.Failure: Flink refused\n"
FLINKS = "orchestration.flink.errors.FlinkRejected: Flink refused\n"
RUN_FAILED = {"message": 'Execution of run for "start_pipeline" failed.', "error": None}


@pytest.mark.parametrize(
    ("status", "events", "words"),
    [
        # Our own words name the fix; what lies below them is the library's.
        (
            "FAILURE",
            [{"stepKey": "a", "error": error(STEP_FAILED, OURS, "psycopg2.OperationalError: FATAL\n")}, RUN_FAILED],
            "a: topic t has 1 partitions and 4 are wanted: set PI3_KAFKA_PARTITIONS=1",
        ),
        ("FAILURE", [{"stepKey": "a", "error": error(STEP_FAILED, FLINKS)}], "a: Flink refused"),
        ("FAILURE", [{"stepKey": "a", "error": error(NOT_RETRIED, FLINKS, "KeyError: 'inner'\n")}], "a: Flink refused"),
        (
            "FAILURE",
            [{"stepKey": "a", "error": error(STEP_FAILED, "ValueError: outer\n", "KeyError: 'inner'\n")}],
            "a: KeyError: 'inner'",
        ),
        ("FAILURE", [{"stepKey": "a", "error": {"message": "alone", "causes": None}}], "a: alone"),
        (
            "FAILURE",
            [{"stepKey": "a", "error": error("one")}, {"stepKey": "b", "error": error("two")}, RUN_FAILED],
            "a: one; b: two",
        ),
        # A run that was killed: no step says anything, and the run's own failure has words but no error.
        ("FAILURE", [RUN_FAILED], 'run: Execution of run for "start_pipeline" failed.'),
        ("FAILURE", [{"message": "failed", "error": error("outer", "the cause")}], "run: the cause"),
        ("CANCELED", [], "see the run's log"),
    ],
)
def test_a_failed_run_gives_one_line_with_its_cause(
    status: str, events: list[dict[str, Any]], words: str, api: DagsterApi, webserver: Webserver
) -> None:
    webserver.answers["Launch"] = [{"data": LAUNCHED}]
    webserver.answers["Run"] = [run(status, *events)]
    with pytest.raises(RunFailedError) as caught:
        api.run("start_pipeline", lambda *_: None)
    assert str(caught.value) == f"start_pipeline ended as {status}: {words} ({webserver.url}/runs/r1)"


def test_a_run_that_is_gone_is_named(api: DagsterApi, webserver: Webserver) -> None:
    webserver.answers["Run"] = [{"data": {"runOrError": {"message": "Pipeline run r1 could not be found."}}}]
    with pytest.raises(ConfigurationError, match=r"does not show run r1: Pipeline run r1 could not be found\.$"):
        api.follow("r1", lambda *_: None)


def test_a_run_that_does_not_end_in_time_is_transient(api: DagsterApi, webserver: Webserver) -> None:
    webserver.answers["Run"] = [run("STARTED")]
    with pytest.raises(TransientError, match="/runs/r1 has not ended within 0 s"):
        api.follow("r1", lambda *_: None, timeout_s=0.2)


def test_numeric_metadata_is_read_and_the_rest_left_out(api: DagsterApi, webserver: Webserver) -> None:
    entries = [
        {"label": "rows", "intValue": 5},
        {"label": "rows_per_s", "floatValue": 1.5},
        {"label": "words"},
        {"label": "too_big", "intValue": None},
    ]
    webserver.answers["Materializations"] = [
        {"data": {"assetOrError": {"assetMaterializations": [{"metadataEntries": entries}]}}},
        {"data": {"assetOrError": {}}},
    ]
    assert api.materializations("a/events", 3) == [{"rows": 5.0, "rows_per_s": 1.5}]
    assert webserver.asked[0]["variables"] == {"key": {"path": ["a", "events"]}, "limit": 3}
    assert api.materializations("unknown") == []


def test_a_refused_query_is_told(api: DagsterApi, webserver: Webserver) -> None:
    webserver.answers["Run"] = [{"errors": [{"message": "Cannot query field"}]}]
    with pytest.raises(ConfigurationError, match="refused a query: Cannot query field"):
        api.follow("r1", lambda *_: None)


def test_no_server_is_one_line() -> None:
    gone = DagsterApi("http://127.0.0.1:1")
    with pytest.raises(
        TransientError, match=r"^Dagster at http://127\.0\.0\.1:1 does not answer .*is the stack running"
    ):
        gone.launch("start_pipeline")


def test_a_proxy_of_the_environment_is_passed_by(
    api: DagsterApi, webserver: Webserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    webserver.answers["Launch"] = [{"data": LAUNCHED}]
    assert api.launch("start_pipeline") == "r1"
