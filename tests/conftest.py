"""Fixtures live in `tests/fixtures`, one file per capability."""

from __future__ import annotations

pytest_plugins = ["tests.fixtures.ledger", "tests.fixtures.resources", "tests.fixtures.stack"]
