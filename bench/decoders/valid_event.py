"""The ledger's validator as a table function of the job: no row, or the one row that a record should become."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyflink.table import DataTypes
from pyflink.table.udf import udtf

from contract.event import EventRow
from orchestration.ledger.validator import validate


def _rows(body: bytes | None) -> Iterator[tuple[str, str, str]]:
    verdict = validate(body)
    if isinstance(verdict, EventRow):
        yield verdict.event_id, verdict.user_name, verdict.location


valid_event: Any = udtf(_rows, result_types=[DataTypes.STRING()] * 3)
