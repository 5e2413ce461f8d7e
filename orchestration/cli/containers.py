"""The commands behind `make containers`: the stack as containers, on this machine's engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from infra.containers.engine import find
from infra.containers.project import Project
from infra.local.errors import SetupError
from infra.local.progress import say
from orchestration.settings import Settings, child_environment, container_site, load_settings

IN_CODE: Final = ("code", "python", "-W", "ignore", "-m", "orchestration")


def project(settings: Settings, say: Callable[[str], None]) -> Project:
    """The containers that these settings describe; nothing is started yet.

    Raises:
        SetupError: this machine has no container engine.
    """
    engine = find(child_environment())
    return Project(engine, container_site(settings), settings.stack_dir / "containers", settings.fixed_ports, say)


def up() -> int:
    """Build the image, start the containers, launch the pipeline through Dagster, show what landed."""
    started = time.monotonic()
    found = project(load_settings(), say)
    chosen = found.up()
    code = found.configured().within(*IN_CODE, "launch")
    print(f"\nDagster http://127.0.0.1:{chosen.dagster}\nFlink   http://127.0.0.1:{chosen.flink_rest}")
    if code == 0:
        print(f"\nThe pipeline is running (after {time.monotonic() - started:.0f} s). `make containers-stop` ends it.")
    return code


def check() -> int:
    """Find out whether this machine runs containers, and how."""
    project(load_settings(), say).prepared()
    return 0


def stop() -> int:
    """Stop the Flink job with a savepoint, then remove the containers; the volumes keep the data."""
    found = project(load_settings(), say).configured()
    try:
        found.within(*IN_CODE, "halt")
    except SetupError as error:
        say(f"the Flink job was not stopped with a savepoint ({error}); it resumes from its newest checkpoint")
    found.down()
    return 0


def status() -> int:
    """Show the containers and the counts."""
    found = project(load_settings(), say).configured()
    for name, healthy in found.containers().items():
        print(f"{name:30} {'healthy' if healthy else 'NOT healthy'}")
    return found.within("code", "python", "-W", "ignore", "-m", "orchestration.pi3", "status")


def clean() -> int:
    """Remove the containers and their volumes: topics, tables, checkpoints, history and passwords."""
    project(load_settings(), say).configured().down(keep_data=False)
    return 0


COMMANDS: dict[str, Callable[[], int]] = {
    "containers": up,
    "containers-check": check,
    "containers-stop": stop,
    "containers-status": status,
    "containers-clean": clean,
}
