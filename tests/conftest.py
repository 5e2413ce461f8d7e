"""Fixtures live in `tests/fixtures`, one file per capability."""

from __future__ import annotations

from hypothesis.configuration import set_hypothesis_home_dir

from orchestration.settings import REPOSITORY

# All state is in one folder that git ignores, what hypothesis remembers of failures included.
set_hypothesis_home_dir(REPOSITORY / ".stack" / "cache" / "hypothesis")

pytest_plugins = ["tests.fixtures.ledger", "tests.fixtures.remote", "tests.fixtures.resources", "tests.fixtures.stack"]
