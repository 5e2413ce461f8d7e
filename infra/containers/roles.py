"""What each container of compose.yaml runs: its configuration is written anew, and its program told.

The servers are those of the local stack, with other addresses: a container has a network of its own, so they listen on
all of it, and each finds the others by their names in compose.yaml.
"""

from __future__ import annotations

import fcntl
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from infra.containers.site import Site
from infra.local import dagster, flink, kafka, postgres, ready
from infra.local.errors import SetupError
from infra.local.paths import StackPaths
from infra.local.ports import Listener, Ports
from infra.local.program import Program
from infra.local.secrets import NAMES, ROLES, ensure_passwords, write_private
from infra.local.supervisor import wait_until

EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - of the container's own network
PORTS: Final = Ports()
TASKMANAGER_RPC_PORT: Final = 6122
PATIENCE_S: Final = 120.0

# Only from within may the superuser log in.
HBA: Final = f"""\
host all {postgres.SUPERUSER} 127.0.0.1/32 scram-sha-256
host all {postgres.SUPERUSER} all reject
host all all samenet scram-sha-256
"""


def broker(paths: StackPaths) -> Program:
    """Kafka, formatted at its first start."""
    listener = Listener(PORTS.kafka, PORTS.kafka, host=EVERYWHERE, advertised_host="kafka")
    kafka.prepare(paths, PORTS, {"PLAINTEXT": listener})
    return kafka.program(paths)


def database(paths: StackPaths, name: str, roles: dict[str, str], passwords: Path) -> Program:
    """Postgres; before it can be reached it has the database and its roles.

    The roles' passwords are generated, and left in `passwords` for those who log in; the superuser's stays here.
    """
    ensure_passwords(paths.secrets)
    (paths.conf / "pg_hba.conf").write_text(HBA)
    options = {"hba_file": str(paths.conf / "pg_hba.conf")}
    postgres.prepare(paths)
    with subprocess.Popen(postgres.program(paths, PORTS, options).command) as server:
        try:
            if not wait_until(lambda: ready.postgres(paths, PORTS), PATIENCE_S):
                raise SetupError(f"Postgres does not start within {PATIENCE_S:.0f} s: see its log above")
            postgres.bootstrap(paths, PORTS, name, roles)
        finally:
            server.send_signal(signal.SIGINT)
    for password in set(NAMES) - {"postgres_superuser_password"}:
        write_private(passwords / password, (paths.secrets / password).read_text())
    return postgres.program(paths, PORTS, {**options, "listen_addresses": "*"})


def flink_process(paths: StackPaths, name: str) -> Program:
    """The program `flink-jobmanager` or `flink-taskmanager`."""
    addresses = {
        "jobmanager.rpc.address": "jobmanager",
        "jobmanager.bind-host": EVERYWHERE,
        "rest.address": "jobmanager",
        "rest.bind-address": EVERYWHERE,
        # By its address, since there may be several of one name.
        "taskmanager.host": socket.gethostbyname(socket.gethostname()),
        "taskmanager.bind-host": EVERYWHERE,
        "taskmanager.rpc.port": TASKMANAGER_RPC_PORT,
    }
    flink.write_config(paths, {**flink.config(paths, PORTS), **addresses})
    return _named(flink.programs(paths), name)


def dagster_process(paths: StackPaths, name: str, site: Site, passed_on: Sequence[str]) -> Program:
    """The program `dagster-code`, `dagster-webserver` or `dagster-daemon`.

    `passed_on` are variables of our environment that runs get too.

    Raises:
        SetupError: Postgres has not left the passwords in time.
    """
    # The others run no code of the pipeline's, and get no passwords.
    if name == "dagster-code" and not wait_until(lambda: _all_there(paths.secrets), PATIENCE_S):
        raise SetupError(f"no passwords in {paths.secrets} after {PATIENCE_S:.0f} s: does Postgres start?")
    with (paths.dagster_home / "prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        dagster.prepare(paths, PORTS, instance(site, passed_on), code_host="code")
    return _named(dagster.programs(paths, PORTS, EVERYWHERE, code_host="code"), name)


def instance(site: Site, passed_on: Sequence[str]) -> Mapping[str, object]:
    """dagster.yaml: as in the local stack, but each run is a container, and one that was killed is noticed."""
    launcher = {
        "module": "dagster_docker",
        "class": "DockerRunLauncher",
        "config": {
            "image": site.image,
            "network": site.network(),
            "env_vars": sorted(passed_on),
            "container_kwargs": site.run(),
        },
    }
    monitoring = {**dagster.INSTANCE["run_monitoring"], "poll_interval_seconds": 10, "start_timeout_seconds": 120}
    return {**dagster.INSTANCE, "run_launcher": launcher, "run_monitoring": monitoring}


def _all_there(secrets: Path) -> bool:
    return all((secrets / f"pi3_postgres_{role}_password").exists() for role in ROLES)


def _named(programs: Sequence[Program], name: str) -> Program:
    return next(program for program in programs if program.name == name)
