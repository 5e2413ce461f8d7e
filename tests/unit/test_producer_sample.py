from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from contract.cases import CASES
from contract.event import EventRow, Reason
from orchestration.ledger.validator import Rejection, validate
from producer.files import FileRecords
from producer.record import Kind, Record
from producer.sample import CSV_SAMPLE, NDJSON_SAMPLE, csv_sample, ndjson_sample


def read(path: Path) -> list[Record]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return list(FileRecords(descriptor, path.suffix.removeprefix("."), lambda: None))
    finally:
        os.close(descriptor)


def reasons(records: list[Record]) -> Counter[Reason | None]:
    verdicts = [validate(record.value) for record in records]
    return Counter(verdict.reason if isinstance(verdict, Rejection) else None for verdict in verdicts)


@pytest.mark.parametrize(("path", "made"), [(NDJSON_SAMPLE, ndjson_sample), (CSV_SAMPLE, csv_sample)])
def test_the_sample_is_what_its_script_makes(path: Path, made: object) -> None:
    assert callable(made)
    assert path.read_bytes() == made(), "run `python -m producer.sample`"


def test_the_ndjson_sample_has_every_kind_of_bad_line() -> None:
    records = read(NDJSON_SAMPLE)
    counts = reasons(records)
    assert len(records) >= 2_000
    assert 0.88 < counts[None] / len(records) < 0.93
    # A line is never a tombstone, and one of more than a megabyte is no sample.
    assert set(counts) - {None} == set(Reason) - {Reason.TOMBSTONE, Reason.OVERSIZE}


def test_the_ndjson_sample_has_each_case_that_can_be_a_line() -> None:
    lines = {record.value for record in read(NDJSON_SAMPLE)}
    missing = {case.name for case in CASES if case.value not in lines}
    assert missing == {"tombstone", "whitespace", "whitespace_around", "large_900_kb", "oversize", "name_50001"}


@pytest.mark.parametrize("path", [NDJSON_SAMPLE, CSV_SAMPLE])
def test_repeated_ids_are_valid_events(path: Path) -> None:
    records = read(path)
    kinds = Counter(record.kind for record in records)
    verdicts = [validate(record.value) for record in records]
    rows = {verdict.event_id for verdict in verdicts if isinstance(verdict, EventRow)}
    rejected = sum(isinstance(verdict, Rejection) for verdict in verdicts)
    assert len(rows) + rejected + kinds[Kind.DUPLICATE] == len(records)


def test_the_csv_sample_has_good_and_bad_rows() -> None:
    records = read(CSV_SAMPLE)
    counts = reasons(records)
    assert len(records) == 200
    assert counts[None] == 191
    expected = {Reason.BLANK, Reason.TOO_LONG, Reason.WRONG_TYPE, Reason.CONTROL_CHARACTER, Reason.MISSING_FIELD}
    assert set(counts) - {None} == expected | {Reason.EMPTY}
