"""The job's SQL against the event contract."""

from __future__ import annotations

import re

import pytest

from contract.event import KEPT_FIELDS
from flink_jobs.builder import build
from tests.unit.test_job_spec import SPEC


@pytest.mark.parametrize("statement", build(SPEC, "p").statements, ids=["source", "sink"])
def test_the_columns_are_the_contracts_fields_with_their_lengths(statement: str) -> None:
    columns = re.findall(r"^    (\w+) VARCHAR\((\d+)\) NOT NULL", statement, re.MULTILINE)
    assert columns == [(field.name, str(field.max_length)) for field in KEPT_FIELDS]
