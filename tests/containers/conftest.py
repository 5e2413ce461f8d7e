"""One project of containers for the whole suite: its own name, ports and volumes, removed at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.containers.engine import find
from infra.containers.project import COMPOSE_LABEL, Project
from infra.containers.site import Site
from infra.local.ports import any_free_port
from orchestration.settings import REPOSITORY, Settings, child_environment
from tests.containers.pipeline import NAME, Pipeline, api_of


@pytest.fixture(scope="session")
def pipeline() -> Iterator[Pipeline]:
    """Brought up as `make containers` does, with nothing launched yet."""
    settings = Settings()
    site = Site(NAME, settings.containers_image, settings.containers_socket, settings.containers_socket_gid)
    ports = {"dagster": any_free_port(), "flink_rest": any_free_port()}
    project = Project(find(child_environment()), site, REPOSITORY / ".stack" / "test-containers", ports)
    project.configured().down(keep_data=False)
    try:
        chosen = project.up()
        yield Pipeline(project.configured(), api_of(chosen.dagster))
    finally:
        try:
            keep_logs(project.configured())
        finally:
            project.configured().down(keep_data=False)


def keep_logs(project: Project) -> None:
    """What the containers printed, which goes with them, into `.stack/test-containers/logs`."""
    folder = project.folder / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    filters = ("--filter", f"label={COMPOSE_LABEL}={NAME}", "--format", "{{.Names}}")
    for name in project.engine.ask("ps", "--all", *filters):
        told = project.engine.run("logs", name)
        (folder / f"{name}.log").write_text(told.stdout + told.stderr)
