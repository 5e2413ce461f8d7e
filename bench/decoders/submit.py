"""Submits one variant, in a process of its own: PyFlink keeps one JVM a process. Prints the job's id."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyflink

from bench.decoders.variants import VARIANTS, changed
from flink_jobs.builder import JobPlan, build
from flink_jobs.main import REPOSITORY, _environment, _prepare_client
from flink_jobs.spec import JobSpec, jar_names, read_password

# What the Python workers need of the repository.
SHIPPED = ("contract", "orchestration/ledger", "bench/decoders")


def main(spec_file: str, name: str, sink: str, jar: str) -> None:
    """`sink` is postgres or blackhole; `jar` holds the format of our own."""
    spec = JobSpec.read(Path(spec_file))
    variant = VARIANTS[name]
    plan = build(spec, read_password(spec), jar_names(spec))
    settings, statements, insert = changed(plan, variant, blackhole=sink == "blackhole")
    _prepare_client(spec)
    # Else PyFlink takes this process for the cluster and has the workers run within it (TableEnvironment._open).
    os.environ["_python_worker_execution_mode"] = "process"  # noqa: SIM112
    jars = {"jar": jar, "python": str(next((Path(str(pyflink.__file__)).parent / "opt").glob("flink-python*.jar")))}
    if variant.needs:
        settings["pipeline.jars"] = Path(jars[variant.needs]).as_uri()
    tables = _environment(JobPlan(settings, (), ""))
    if variant.needs == "python":
        _ship_function(tables, Path(spec_file).parent)
    for statement in statements:
        tables.execute_sql(statement)
    client = tables.execute_sql(insert).get_job_client()
    sys.stdout.write(f"{client.get_job_id()}\n")


def _ship_function(tables: Any, scratch: Path) -> None:  # noqa: ANN401 - PyFlink is untyped
    from bench.decoders.valid_event import valid_event

    folder = Path(tempfile.mkdtemp(dir=scratch))
    for part in SHIPPED:
        shutil.copytree(REPOSITORY / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.sql"))
    for package in ("orchestration", "bench"):
        (folder / package / "__init__.py").touch()
        tables.add_python_file(str(folder / package))
    tables.add_python_file(str(folder / "contract"))
    tables.get_config().set_python_executable(sys.executable)
    tables.create_temporary_system_function("valid_event", valid_event)


if __name__ == "__main__":
    main(*sys.argv[1:])
