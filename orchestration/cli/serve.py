"""`python -m orchestration.cli.serve ROLE`: become the server that a container is for."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from infra.containers import roles
from infra.local.errors import SetupError
from infra.local.paths import REPOSITORY, StackPaths
from infra.local.program import Program
from orchestration.cli.local import stack_spec
from orchestration.errors import Pi3Error
from orchestration.settings import Settings, child_environment, container_site, load_settings


def _postgres(settings: Settings) -> Program:
    spec = stack_spec(settings)
    return roles.database(StackPaths(spec.root), spec.database, spec.roles, spec.root / "passwords")


def _flink(name: str) -> Callable[[Settings], Program]:
    return lambda settings: roles.flink_process(StackPaths(settings.stack_dir), name)


def _dagster(name: str) -> Callable[[Settings], Program]:
    def program(settings: Settings) -> Program:
        passed_on = [variable for variable in child_environment() if variable.startswith("PI3_")]
        return roles.dagster_process(StackPaths(settings.stack_dir), name, container_site(settings), passed_on)

    return program


ROLES: Final[Mapping[str, Callable[[Settings], Program]]] = {
    "kafka": lambda settings: roles.broker(StackPaths(settings.stack_dir)),
    "postgres": _postgres,
    "jobmanager": _flink("flink-jobmanager"),
    "taskmanager": _flink("flink-taskmanager"),
    "code": _dagster("dagster-code"),
    "webserver": _dagster("dagster-webserver"),
    "daemon": _dagster("dagster-daemon"),
}


def main(role: str) -> NoReturn:
    """Prepare the role and replace this process by its program, so that signals and the exit code are the server's."""
    # The first process of a container is spared by any signal that it does not handle itself.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        program = ROLES[role](load_settings())
    except (SetupError, Pi3Error) as error:
        sys.exit(f"error: {error}")
    os.chdir(REPOSITORY)
    os.execve(program.command[0], program.command, child_environment(**program.environment))


if __name__ == "__main__":
    main(sys.argv[1])
