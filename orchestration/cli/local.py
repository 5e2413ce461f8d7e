"""The local stack, as this project's settings describe it."""

from __future__ import annotations

from collections.abc import Callable

from infra.local.stack import Stack, StackSpec
from orchestration.settings import Settings, child_environment


def local_stack(settings: Settings, say: Callable[[str], None]) -> Stack:
    """The stack in `settings.stack_dir`; nothing is started yet."""
    return Stack(stack_spec(settings), say)


def stack_spec(settings: Settings) -> StackSpec:
    """What that stack needs to know."""
    roles = {role: getattr(settings, f"postgres_{role}") for role in ("owner", "writer", "reader", "auditor")}
    environment = child_environment(PI3_STACK_DIR=str(settings.stack_dir))
    return StackSpec(
        settings.stack_dir,
        settings.postgres_database,
        roles,
        environment,
        settings.fixed_ports,
        with_metrics=settings.metrics,
    )
