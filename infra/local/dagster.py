"""Dagster: one code server, the webserver and the daemon, with a fixed DAGSTER_HOME."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from typing import Any, Final

import yaml

from infra.local.errors import SetupError
from infra.local.paths import REPOSITORY, StackPaths
from infra.local.ports import LOOPBACK, Ports
from infra.local.program import Program

LOCATION = "pi3"

INSTANCE: Final[dict[str, dict[str, Any]]] = {
    "telemetry": {"enabled": False},
    "run_coordinator": {
        "module": "dagster.core.run_coordinator",
        "class": "QueuedRunCoordinator",
        "config": {
            # Each look opens SQLite anew: at one every second they were a fifth of what the daemon uses.
            "dequeue_interval_seconds": 2,
            # A run that is due while the code server is started again waits for it, and does not fail.
            "max_user_code_failure_retries": 12,
            "user_code_failure_retry_delay": 5,
        },
    },
    # Of the runs that ask for a pool, such as replays, one at a time; the others wait in the queue.
    "concurrency": {"runs": {"max_concurrent_runs": 4}, "pools": {"granularity": "run", "default_limit": 1}},
    # A run that was killed with its code server stays STARTED for ever unless the daemon looks for it.
    "run_monitoring": {"enabled": True, "poll_interval_seconds": 30, "max_runtime_seconds": 3600},
    # More than there are sensors that wait for a server that hangs: self-heal must not wait for them.
    "sensors": {"use_threads": True, "num_workers": 8},
    "schedules": {"use_threads": True, "num_workers": 2},
    "retention": {
        "schedule": {"purge_after_days": 30},
        "sensor": {"purge_after_days": {"skipped": 1, "failure": 30, "success": 7}},
    },
    "nux": {"enabled": False},
}


# Touches each of the instance's databases once.
CREATE_STORAGE = """
from dagster import DagsterInstance
instance = DagsterInstance.get()
instance.get_runs(limit=1), instance.all_instigator_state(), instance.get_asset_records()
"""


def prepare(
    paths: StackPaths, ports: Ports, instance: Mapping[str, object] = INSTANCE, code_host: str = LOOPBACK
) -> None:
    """Write dagster.yaml and the workspace that points the webserver and the daemon at the one code server.

    Raises:
        SetupError: Dagster cannot create its storage.
    """
    draft = paths.dagster_home / "dagster.yaml.new"
    draft.write_text(yaml.safe_dump(dict(instance)))
    draft.replace(paths.dagster_home / "dagster.yaml")
    server = {"host": code_host, "port": ports.dagster_code, "location_name": LOCATION}
    (paths.conf / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
    if not (paths.dagster_home / "schedules").exists():
        _create_storage(paths)


def _create_storage(paths: StackPaths) -> None:
    """Let one process create the databases: webserver and daemon at once leave SQLite with two schema versions."""
    command = (str(paths.python), "-W", "ignore", "-c", CREATE_STORAGE)
    done = subprocess.run(
        command, env={"DAGSTER_HOME": str(paths.dagster_home)}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        shutil.rmtree(paths.dagster_home / "schedules", ignore_errors=True)
        raise SetupError(f"Dagster cannot create its storage in {paths.dagster_home}: {done.stderr.strip()[-300:]}")


def programs(paths: StackPaths, ports: Ports, host: str = LOOPBACK, code_host: str = LOOPBACK) -> list[Program]:
    """Code server, webserver and daemon; the first two listen at `host`, and the first is found at `code_host`."""
    environment = {
        "DAGSTER_HOME": str(paths.dagster_home),
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",
        "PYTHONWARNINGS": "ignore",
    }
    # A tick that brings a dead job back takes as long as a submission does.
    daemon = {**environment, "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "180"}
    python = str(paths.python)
    code = ("api", "grpc", "-m", "orchestration.definitions", "-d", str(REPOSITORY), "-h", host,
            "-p", str(ports.dagster_code), "--location-name", LOCATION, "--use-python-environment-entry-point",
            "--lazy-load-user-code")  # fmt: skip
    workspace = ("-w", str(paths.conf / "workspace.yaml"))
    web = ("-m", "dagster_webserver", "-h", host, "-p", str(ports.dagster), *workspace)
    # A daemon that does not find the code server looks for it again a minute later.
    after_code = (python, "-m", "infra.local.once_listening", code_host, str(ports.dagster_code))
    return [
        Program("dagster-code", (python, "-m", "dagster", *code), environment, priority=30),
        Program("dagster-webserver", (python, *web), environment, priority=40),
        Program(
            "dagster-daemon", (*after_code, python, "-m", "dagster._daemon", "run", *workspace), daemon, priority=40
        ),
    ]
