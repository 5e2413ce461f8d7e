"""Alerts from a real Dagster instance to a real HTTP server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from orchestration.defs import alerts
from orchestration.settings import Settings
from orchestration.verdicts import Number, unknown


@dataclass
class Webhook:
    """A webhook that answers with `status`, and what it has taken with 200."""

    url: str
    status: int = 200
    taken: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    """A real HTTP server on loopback."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            (found.taken if found.status == 200 else found.refused).append(told["text"])
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        found = Webhook(f"http://127.0.0.1:{server.server_address[1]}/hook/secret-token")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with storage of its own."""
    with dg.DagsterInstance.local_temp(str(tmp_path)) as found:
        yield found


verdict = {"passed": True, "raises": False}


@dg.asset
def events() -> None:
    """Stands for the table."""


@dg.asset_check(asset=events)
def landing() -> dg.AssetCheckResult:
    if verdict["raises"]:
        raise dg.Failure("Postgres is down")
    return dg.AssetCheckResult(passed=verdict["passed"], description="as the test wants it")


DEFINITIONS = dg.Definitions(
    assets=[events],
    asset_checks=[landing],
    jobs=[dg.define_asset_job("health_check", selection=dg.AssetSelection.all_asset_checks())],
)


@dataclass
class Ticks:
    """The alert sensor's ticks, each with the cursor of the one before, as the daemon does it."""

    instance: dg.DagsterInstance
    url: str
    cursor: str | None = None
    settle_s: int = 0

    def tick(self) -> dg.SensorResult:
        """One tick; the cursor goes on."""
        settings = Settings(alert_webhook_url=SecretStr(self.url), alert_settle_s=self.settle_s)
        (sensor,) = alerts.sensors(settings)
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, repository_def=DEFINITIONS.get_repository_def()
        )
        result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result


@pytest.fixture
def ticks(instance: dg.DagsterInstance, webhook: Webhook) -> Ticks:
    """A sensor that has seen the check pass."""
    report(instance, passed=True)
    found = Ticks(instance, webhook.url)
    found.tick()
    assert webhook.taken == []
    return found


def report(
    instance: dg.DagsterInstance,
    passed: bool,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    metadata: Mapping[str, Number] | None = None,
) -> None:
    """A verdict outside of any run, as the ledger's sensor reports it."""
    evaluation = dg.AssetCheckEvaluation(
        asset_key=events.key,
        check_name="landing",
        passed=passed,
        severity=severity,
        description="as reported",
        metadata=dict(metadata or {}),
    )
    instance.report_runless_asset_event(evaluation)


def health_check(instance: dg.DagsterInstance, passed: bool = True, raises: bool = False) -> None:
    """A verdict of a real run."""
    verdict.update(passed=passed, raises=raises)
    DEFINITIONS.resolve_job_def("health_check").execute_in_process(instance=instance, raise_on_error=False)


def kinds(webhook: Webhook) -> list[str]:
    return [text.partition(" ")[0] for text in webhook.taken]


def test_each_change_is_told_once(instance: dg.DagsterInstance, webhook: Webhook, ticks: Ticks) -> None:
    for passed in (False, False, True, True):
        report(instance, passed)
        ticks.tick()
        ticks.tick()
    assert kinds(webhook) == ["[ERROR]", "[ok]"]
    assert webhook.taken[0].startswith("[ERROR] events.landing: as reported http://")


def test_a_run_and_a_report_are_one_history(instance: dg.DagsterInstance, webhook: Webhook, ticks: Ticks) -> None:
    health_check(instance, passed=False)
    ticks.tick()
    report(instance, passed=False)
    ticks.tick()
    health_check(instance, passed=True)
    ticks.tick()
    assert kinds(webhook) == ["[ERROR]", "[ok]"]


def test_a_check_that_could_not_run_is_told(instance: dg.DagsterInstance, webhook: Webhook, ticks: Ticks) -> None:
    health_check(instance, raises=True)
    ticks.tick()
    assert webhook.taken[0].startswith("[no verdict] events.landing: run ")
    health_check(instance)
    ticks.tick()
    assert len(webhook.taken) == 2


def test_a_worse_severity_is_a_change(instance: dg.DagsterInstance, webhook: Webhook, ticks: Ticks) -> None:
    report(instance, passed=False, severity=dg.AssetCheckSeverity.WARN)
    ticks.tick()
    report(instance, passed=False)
    ticks.tick()
    assert kinds(webhook) == ["[WARN]", "[ERROR]"]


def test_a_webhook_that_fails_loses_and_doubles_nothing(
    instance: dg.DagsterInstance, webhook: Webhook, ticks: Ticks
) -> None:
    webhook.status = 503
    report(instance, passed=False)
    for _ in range(2):
        reason = ticks.tick().skip_reason
        assert reason is not None
        assert "503" in str(reason.skip_message)
        assert "secret-token" not in str(reason.skip_message)
    report(instance, passed=True)
    report(instance, passed=False)
    ticks.tick()
    assert webhook.taken == []
    assert webhook.refused == [webhook.refused[0]] * 3
    webhook.status = 200
    ticks.tick()
    ticks.tick()
    assert kinds(webhook) == ["[ERROR]", "[ok]", "[ERROR]"]


def test_a_webhook_that_is_gone_is_tried_again(instance: dg.DagsterInstance, webhook: Webhook, ticks: Ticks) -> None:
    there, ticks.url = ticks.url, "http://127.0.0.1:1/secret-token"
    report(instance, passed=False)
    reason = ticks.tick().skip_reason
    assert reason is not None
    assert "ConnectionError" in str(reason.skip_message)
    assert "secret-token" not in str(reason.skip_message)
    ticks.url = there
    ticks.tick()
    assert kinds(webhook) == ["[ERROR]"]


def test_without_a_webhook_the_log_is_told(instance: dg.DagsterInstance, webhook: Webhook, ticks: Ticks) -> None:
    ticks.url = ""
    report(instance, passed=False)
    reason = ticks.tick().skip_reason
    assert reason is not None
    assert reason.skip_message == "1 changes of state"
    ticks.url = webhook.url
    ticks.tick()
    assert webhook.taken == []


def test_a_check_that_flaps_is_told_once(instance: dg.DagsterInstance, webhook: Webhook, ticks: Ticks) -> None:
    ticks.settle_s = 60
    for passed in (False, True, False, True, False, True):
        report(instance, passed)
        ticks.tick()
    assert kinds(webhook) == ["[ERROR]"]
    ticks.settle_s = 0
    ticks.tick()
    assert kinds(webhook) == ["[ERROR]", "[ok]"], "once it has stayed well for long enough"


def test_a_verdict_that_says_nothing_is_not_told(instance: dg.DagsterInstance, webhook: Webhook, ticks: Ticks) -> None:
    report(instance, passed=False, metadata=unknown("Kafka is down").metadata)
    ticks.tick()
    report(instance, passed=True)
    ticks.tick()
    assert webhook.taken == []
