"""The plan that a real planner makes of the job."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flink_jobs.spec import JobSpec
from tests.unit.test_job_spec import SPEC

REPOSITORY = Path(__file__).resolve().parents[2]
PASSWORD = "not to be seen"  # noqa: S105 - of no server


@pytest.fixture(scope="module")
def spec(flink_lib_dir: Path, java_home: Path, tmp_path_factory: pytest.TempPathFactory) -> JobSpec:
    """A spec whose servers do not exist: planning asks none of them."""
    folder = tmp_path_factory.mktemp("a job")
    password_file = folder / "password"
    password_file.write_text(PASSWORD)
    password_file.chmod(0o600)
    return replace(
        SPEC,
        password_file=str(password_file),
        parallelism=3,
        client_lib_dir=str(flink_lib_dir),
        client_java_home=str(java_home),
        client_log_dir=str(folder),
    )


def explain(spec: JobSpec) -> subprocess.CompletedProcess[str]:
    """Run the job's command line with --explain."""
    path = Path(spec.password_file).with_name("job.json")
    spec.write(path)
    command = [sys.executable, "-m", "flink_jobs.main", "--spec", str(path), "--explain"]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def plan(spec: JobSpec) -> str:
    """The explained plan."""
    done = explain(spec)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def nodes(plan: str) -> list[dict[str, Any]]:
    """The operators that will run."""
    return list(json.loads(plan.split("== Physical Execution Plan ==")[1])["nodes"])


def optimized(plan: str) -> list[str]:
    """The lines of the optimized execution plan."""
    text = plan.split("== Optimized Execution Plan ==")[1].split("==", maxsplit=1)[0]
    return [line.strip(" +-:") for line in text.strip().splitlines()]


def test_it_is_scan_and_sink_and_nothing_else(plan: str) -> None:
    assert [line.split("(")[0] for line in optimized(plan)] == ["Sink", "TableSourceScan"]
    assert not [word for word in ("Exchange", "SinkMaterializer", "Rank", "Deduplicate", "Aggregate") if word in plan]


def test_sink_upserts_without_materialising(plan: str) -> None:
    assert "upsertMaterialize=[true]" not in plan


def test_all_operators_chain_into_one_vertex(nodes: list[dict[str, Any]]) -> None:
    assert {node["parallelism"] for node in nodes} == {3}
    strategies = [edge["ship_strategy"] for node in nodes for edge in node.get("predecessors", [])]
    assert strategies == ["FORWARD"] * (len(nodes) - 1)


def test_the_password_is_not_shown(plan: str, spec: JobSpec) -> None:
    logs = "".join(path.read_text() for path in Path(spec.password_file).parent.glob("*.log"))
    assert PASSWORD not in plan + logs


def test_a_missing_connector_is_named(spec: JobSpec, tmp_path: Path) -> None:
    assert spec.client_lib_dir is not None
    for jar in Path(spec.client_lib_dir).glob("*.jar"):
        if "kafka" not in jar.name:
            (tmp_path / jar.name).symlink_to(jar)
    done = explain(replace(spec, client_lib_dir=str(tmp_path)))
    assert done.returncode == 2
    assert "identifier 'kafka'" in done.stderr.splitlines()[-1]
    assert "client_lib_dir" in done.stderr.splitlines()[-1]
    assert PASSWORD not in done.stdout + done.stderr


def test_a_missing_sink_connector_is_named_without_the_password(spec: JobSpec, tmp_path: Path) -> None:
    assert spec.client_lib_dir is not None
    for jar in Path(spec.client_lib_dir).glob("*.jar"):
        if "pi3-connector" not in jar.name:
            (tmp_path / jar.name).symlink_to(jar)
    done = explain(replace(spec, client_lib_dir=str(tmp_path)))
    assert done.returncode == 2
    assert "identifier 'strict-json'" in done.stderr.splitlines()[-1]
    assert PASSWORD not in done.stdout + done.stderr
