"""The benchmark's own stack: fresh servers on free ports, in a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from psycopg2.extensions import connection as Connection  # noqa: N812

from infra.local.ports import any_free_ports
from infra.local.postgres import superuser
from infra.local.stack import Stack
from infra.local.supervisor import MARKER
from orchestration.cli.local import stack_spec
from orchestration.defs.resources import resources
from orchestration.resources.kafka import KafkaResource
from orchestration.settings import Settings, read_settings

__all__ = ["Site", "open_site"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Site:
    """Running servers, and who speaks to them. `session` is the superuser's and commits each statement by itself."""

    stack: Stack
    settings: Settings
    session: Connection
    say: Say

    @property
    def folder(self) -> Path:
        """Where programs that are started write their logs."""
        return self.stack.paths.log

    @property
    def kafka(self) -> KafkaResource:
        """The broker."""
        return KafkaResource(bootstrap_servers=self.settings.kafka_bootstrap_servers, timeout_s=30)

    def with_settings(self, **changed: Any) -> Settings:  # noqa: ANN401 - of many types
        """The settings of the stack with some of them changed."""
        return self.settings.model_copy(update=changed)


@contextmanager
def open_site(root: Path, say: Say, *, with_dagster: bool = False) -> Iterator[Site]:
    """Start servers in an emptied folder, with the schema migrated, and stop them at the end.

    Raises:
        SetupError, Pi3Error: they do not start.
    """
    # By which the next start finds and ends what this one started, should it be killed.
    os.environ[MARKER] = str(root)
    spec = replace(
        stack_spec(read_settings(root, None)), fixed_ports=asdict(any_free_ports()), with_dagster=with_dagster
    )
    stack = Stack(spec, say)
    stack.stop()
    stack.clean()
    try:
        stack.start()
        settings = read_settings(root, None)
        resources(settings)["postgres"].migrate()
        session = superuser(stack.paths, stack.saved_ports(), settings.postgres_database)
        try:
            yield Site(stack, settings, session, say)
        finally:
            session.close()
    finally:
        stack.stop()
