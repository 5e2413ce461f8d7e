"""Submit the job to Flink: `python -m flink_jobs.main --spec FILE`, `flink run -py`, or from an IDE.

Prints one JSON line, `{"job_id": "..."}`. Exit codes: 0 submitted, 1 Flink refused or is out of reach, 2 wrong spec or
missing jar, 3 the restore point cannot be read; stderr then ends with one line that says which.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

REPOSITORY = Path(__file__).resolve().parents[1]
if not __package__:  # started as a file, by an IDE or `flink run -py`
    sys.path.insert(0, str(REPOSITORY))

from flink_jobs.builder import RESTORE_PATH, Definition, JobPlan, build  # noqa: E402
from flink_jobs.probe import probe  # noqa: E402
from flink_jobs.spec import JobSpec, JobSpecError, jar_names, read_options, read_password, read_token  # noqa: E402
from flink_jobs.truststore import trusting  # noqa: E402

if TYPE_CHECKING:
    from pyflink.table import TableEnvironment

CAUSE = re.compile(r"^(?:Caused by: )?[\w.$]+\.([\w$]+(?:Exception|Error): .*)$", re.MULTILINE)
# A client that plans one statement and ends needs no optimised code: 5 s of processor time instead of 9.
SHORT_LIVED = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
# How Flink's client is told of headers; the JVM inherits it, and no argument shows it.
HEADERS = "FLINK_REST_CLIENT_HEADERS"
DEFAULT_SPEC = REPOSITORY / ".stack" / "run" / "splitpay-events.json"


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code."""
    arguments = _arguments(argv)
    try:
        spec = JobSpec.read(arguments.spec)
        if arguments.writer_epoch is not None:
            spec = replace(spec, writer_epoch=arguments.writer_epoch)
        plan = probe(spec) if arguments.probe else _plan(spec)
        _prepare_client(spec)
    except JobSpecError as error:
        return _fail(2, str(error))
    with tempfile.TemporaryDirectory() as folder:
        return _run(plan, spec, Path(folder), explain_only=arguments.explain)


def _plan(spec: JobSpec) -> JobPlan:
    return build(spec, read_password(spec), jar_names(spec), _kept_definition(spec), read_options(spec))


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="flink_jobs.main", description="Submit the events job to Flink.")
    parser.add_argument("--spec", type=Path, default=DEFAULT_SPEC, help=f"job spec, JSON (default: {DEFAULT_SPEC})")
    parser.add_argument("--writer-epoch", type=int, help="number of the writer lease, instead of the spec's")
    parser.add_argument("--probe", action="store_true", help="submit a job that writes one row into the state's folder")
    parser.add_argument("--explain", action="store_true", help="print the plan and submit nothing")
    return parser.parse_args(argv)


def _kept_definition(spec: JobSpec) -> Definition | None:
    if spec.definition_file is None:
        return None
    try:
        return Definition.from_json(Path(spec.definition_file).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError) as error:
        raise JobSpecError(f"definition_file {spec.definition_file} cannot be read: {error}") from error


def _prepare_client(spec: JobSpec) -> None:
    """Name the client's JVM and jars to PyFlink, which learns of them by environment only.

    Without FLINK_HOME it resets FLINK_LIB_DIR to its own folder (pyflink/find_flink_home.py).
    """
    import pyflink

    os.environ.setdefault("FLINK_HOME", str(Path(str(pyflink.__file__)).parent))
    # The job has no Python function: else PyFlink would start a server for them, and load Apache Beam for it.
    os.environ.setdefault("_python_worker_execution_mode", "process")
    if spec.rest_address is not None:
        os.environ.setdefault("JVM_ARGS", SHORT_LIVED)
    if token := read_token(spec):
        os.environ[HEADERS] = f"Authorization:Bearer {token}"
    for variable, value in {
        "JAVA_HOME": spec.client_java_home,
        "FLINK_LIB_DIR": spec.client_lib_dir,
        "FLINK_LOG_DIR": spec.client_log_dir,
    }.items():
        if value is not None:
            os.environ[variable] = value


def _environment(plan: JobPlan) -> TableEnvironment:
    from pyflink.common import Configuration
    from pyflink.table import EnvironmentSettings, TableEnvironment

    configuration = Configuration()
    for key, value in plan.configuration.items():
        configuration.set_string(key, value)
    tables = TableEnvironment.create(EnvironmentSettings.new_instance().with_configuration(configuration).build())
    for statement in plan.statements:
        tables.execute_sql(statement)
    return tables


def _run(plan: JobPlan, spec: JobSpec, folder: Path, *, explain_only: bool) -> int:
    from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
    from pyflink.table import ExplainDetail
    from pyflink.util.exceptions import JavaException

    try:
        trust = trusting(spec.rest_ca_file, folder) if spec.rest_tls else {}
        tables = _environment(replace(plan, configuration={**plan.configuration, **trust}))
        if explain_only:
            sys.stdout.write(tables.explain_sql(plan.insert, ExplainDetail.JSON_EXECUTION_PLAN) + "\n")
        else:
            _submit(tables, plan.insert)
    except (JavaException, Py4JJavaError) as error:
        return _refused(plan, str(error))
    return 0


def _submit(tables: TableEnvironment, insert: str) -> None:
    result = tables.execute_sql(insert)
    client = result.get_job_client()
    sys.stdout.write(json.dumps({"job_id": str(client.get_job_id()) if client else None}) + "\n")
    sys.stdout.flush()
    if tables.get_config().get("execution.target", "local") == "local":
        result.wait()  # the embedded cluster ends with this process


def _refused(plan: JobPlan, report: str) -> int:
    """`report` is a Java stack trace, perhaps with the server's own within: the last exception named is the cause."""
    root = CAUSE.findall(report)[-1] if CAUSE.search(report) else report.splitlines()[0]
    if "Could not find any factory" in root:
        return _fail(2, f"{root} Put the connector's jar into client_lib_dir, or name it in jars.")
    if "restoreSavepoint" in report:  # the server's frame, whatever the exception: it names none of its own
        return _fail(3, f"cannot restore from {plan.configuration[RESTORE_PATH]}: {root}")
    address = ":".join(plan.configuration[key] for key in ("rest.address", "rest.port") if key in plan.configuration)
    return _fail(1, f"Flink at {address or 'its default address'}: {root}")


def _fail(code: int, message: str) -> int:
    sys.stderr.write(" ".join(message.split()) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
