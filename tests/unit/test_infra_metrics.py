"""The endpoints for Prometheus of the local stack: which process has which, on loopback alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from infra.local import metrics
from infra.local.paths import REPOSITORY, StackPaths
from infra.local.ports import LOOPBACK, Ports
from infra.local.program import Program
from infra.local.stack import StackSpec
from orchestration.cli.local import stack_spec
from orchestration.settings import read_settings

AGENT = REPOSITORY / ".stack" / "maven" / "agent-1.0.jar"
COMMAND = ("java", "-XX:+AutoCreateSharedArchive", "-Xmx1m", "Main")
EXAMPLE = REPOSITORY / "infra" / "metrics" / "prometheus.yml"


@pytest.fixture
def paths(tmp_path: Path) -> StackPaths:
    """A stack in a folder with a space."""
    found = StackPaths(tmp_path / "a b")
    found.make()
    return found


def watched(paths: StackPaths, name: str) -> Program:
    """A program of this name, as it is started."""
    (found,) = metrics.watched([Program(name, COMMAND, {"A": "b"})], paths, Ports(), AGENT)
    return found


@pytest.mark.parametrize(
    ("name", "port", "rules"),
    [("kafka", 9404, "kafka"), ("flink-jobmanager", 9249, "flink"), ("flink-taskmanager", 9250, "flink")],
)
def test_each_jvm_has_an_endpoint_of_its_own_on_loopback(name: str, port: int, rules: str, paths: StackPaths) -> None:
    java, agent, *rest = watched(paths, name).command
    assert (java, rest[:2]) == ("java", ["-Xmx1m", "Main"])
    assert agent == f"-javaagent:.stack/maven/agent-1.0.jar={LOOPBACK}:{port}:infra/metrics/{rules}.yml"
    assert yaml.safe_load((REPOSITORY / "infra" / "metrics" / f"{rules}.yml").read_text())["rules"]


def test_flink_tells_its_figures_to_the_agent(paths: StackPaths) -> None:
    metrics.prepare(paths, Ports())
    program = watched(paths, "flink-taskmanager")
    assert program.command[-1] == metrics.REPORTER
    assert program.environment.keys() == {"A", "FLINK_PLUGINS_DIR"}
    (jar,) = Path(program.environment["FLINK_PLUGINS_DIR"]).glob("*/*.jar")
    assert jar.name.startswith("flink-metrics-jmx-")


def test_other_programs_stay_as_they_are(paths: StackPaths) -> None:
    assert watched(paths, "postgres") == Program("postgres", COMMAND, {"A": "b"})


def test_prometheus_is_told_where_the_endpoints_are(paths: StackPaths) -> None:
    ports = Ports(kafka_metrics=40_001, metrics=40_004)
    metrics.prepare(paths, ports)
    written = yaml.safe_load(metrics.scrape_file(paths).read_text())
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in written["scrape_configs"]}
    assert targets == {
        "kafka": ["127.0.0.1:40001"],
        "flink-jobmanager": ["127.0.0.1:9249"],
        "flink-taskmanager": ["127.0.0.1:9250"],
        "pi3": ["127.0.0.1:40004"],
    }


def test_the_example_names_the_usual_ports() -> None:
    assert yaml.safe_load(EXAMPLE.read_text()) == metrics.scrape_config(Ports())


@pytest.mark.parametrize("wanted", [True, False])
def test_a_setting_turns_them_on(*, wanted: bool, tmp_path: Path) -> None:
    found: StackSpec = stack_spec(read_settings(tmp_path, None).model_copy(update={"metrics": wanted}))
    assert found.with_metrics is wanted
    assert read_settings(tmp_path / "other", None).metrics is False
