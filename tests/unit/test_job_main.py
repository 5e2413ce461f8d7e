"""The command line of the job, up to where a JVM would start."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from flink_jobs import main as job_main
from flink_jobs.builder import JobPlan, build
from tests.unit.test_job_spec import SPEC

REPOSITORY = Path(__file__).resolve().parents[2]

UNKNOWN_CONNECTOR = """An error occurred while calling o30.executeSql.
: org.apache.flink.table.api.ValidationException: Unable to create a source for reading table
\tat org.apache.flink.A.b(A.java:1)
Caused by: org.apache.flink.table.api.ValidationException: Could not find any factory for identifier 'kafka'.
\t... 34 more
"""
ON_THE_SERVER = """org.apache.flink.table.api.TableException: Failed to execute sql
\tat org.apache.flink.A.b(A.java:1)
Caused by: org.apache.flink.runtime.rest.util.RestClientException: [Internal server error., <Exception on server side:
org.apache.flink.runtime.client.DuplicateApplicationSubmissionException: Application has already been submitted.
\tat org.apache.flink.runtime.dispatcher.Dispatcher.submit(Dispatcher.java:952)

End of exception on server side>]
"""
BAD_SAVEPOINT = """org.apache.flink.table.api.TableException: Failed to execute sql
Caused by: java.lang.RuntimeException: java.io.EOFException
\tat org.apache.flink.runtime.checkpoint.CheckpointCoordinator.restoreSavepoint(CheckpointCoordinator.java:1)
"""


@pytest.mark.parametrize(
    ("report", "code", "message"),
    [
        (UNKNOWN_CONNECTOR, 2, "Could not find any factory for identifier 'kafka'. Put the connector's jar into"),
        (ON_THE_SERVER, 1, "Flink at 10.0.0.1:8081: DuplicateApplicationSubmissionException: Application has already"),
        (BAD_SAVEPOINT, 3, "cannot restore from file:///s/chk-1: RuntimeException: java.io.EOFException"),
        ("something odd\n\tat x", 1, "Flink at 10.0.0.1:8081: something odd"),
    ],
)
def test_refusals_are_one_line(report: str, code: int, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    spec = replace(SPEC, rest_address="10.0.0.1", rest_port=8081, restore_path="file:///s/chk-1")
    assert job_main._refused(build(spec, "p"), report) == code
    complaint = capsys.readouterr().err
    assert message in complaint
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("command", [["-m", "flink_jobs.main"], [str(REPOSITORY / "flink_jobs" / "main.py")]])
def test_a_wrong_spec_is_told_before_any_jvm_starts(command: list[str], tmp_path: Path) -> None:
    missing = tmp_path / "no such spec.json"
    done = subprocess.run(
        [sys.executable, *command, "--spec", str(missing)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == f"job spec {missing}: No such file or directory; name another one with --spec\n"


def test_importing_the_job_imports_no_pyflink() -> None:
    code = (
        "import sys, flink_jobs.main, flink_jobs.builder; print([m for m in sys.modules if m in ('pyflink', 'py4j')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_command_line_may_name_the_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    password = tmp_path / "password"
    password.write_text("p")
    password.chmod(0o600)
    replace(SPEC, password_file=str(password), writer_epoch=None).write(tmp_path / "spec.json")
    plans: list[JobPlan] = []

    def keep(plan: JobPlan, *_: object, explain_only: bool) -> int:  # noqa: ARG001 - the signature of what it stands in for
        plans.append(plan)
        return 0

    monkeypatch.setattr(job_main, "_prepare_client", lambda _: None)
    monkeypatch.setattr(job_main, "_run", keep)
    assert job_main.main(["--spec", str(tmp_path / "spec.json"), "--writer-epoch", "7"]) == 0
    assert f"ApplicationName={SPEC.job_name}%237" in plans[0].statements[1]
