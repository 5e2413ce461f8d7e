"""Makes the sample files in ``producer/samples``: ``python -m producer.sample``.

They hold good, late and repeated events and every kind of bad input that can be a line of a file.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from contract.cases import CASES
from producer.generator import EventGenerator
from producer.stream import EventStream, Shares

SAMPLES: Final = Path(__file__).parent / "samples"
NDJSON_SAMPLE: Final = SAMPLES / "splitpay.ndjson"
CSV_SAMPLE: Final = SAMPLES / "splitpay.csv"

_SEED: Final = 20_260_101
_START_MS: Final = 1_767_225_600_000  # 2026-01-01T00:00:00Z
_INTERVAL_MS: Final = 250
_GENERATED: Final = 2_150
_SHARES: Final = Shares(malformed=0.065, late=0.03, duplicate=0.02)
_CASE_EVERY: Final = 25
_LONGEST_LINE_BYTES: Final = 20_000

_CSV_COLUMNS: Final = ("event_id", "user_name", "location", "total_minor", "currency", "created_at", "note")
_CSV_ROWS: Final = 200


def ndjson_sample() -> bytes:
    """The NDJSON sample: a generated stream with each case of the contract that can be a line strewn into it."""
    cases = iter([case.value for case in CASES if _can_be_a_line(case.value)])
    lines: list[bytes] = []
    for number, value in enumerate(_generated()):
        lines.append(value)
        if number % _CASE_EVERY == _CASE_EVERY - 1:
            lines.extend(value for value in itertools.islice(cases, 1) if value is not None)
    return b"".join(line + b"\n" for line in lines)


def _generated() -> Iterator[bytes]:
    clock_ms = itertools.count(_START_MS, _INTERVAL_MS)
    for record in itertools.islice(EventStream(_SEED, _SHARES, lambda: next(clock_ms)), _GENERATED):
        if record.value is not None and _can_be_a_line(record.value):
            yield record.value


def _can_be_a_line(value: bytes | None) -> bool:
    return value is not None and b"\n" not in value and len(value) <= _LONGEST_LINE_BYTES


def csv_sample() -> bytes:
    """The CSV sample: a header and 200 rows, every twentieth of them bad in one of the ways a row can be."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CSV_COLUMNS)
    generator = EventGenerator(_SEED + 1)
    for number in range(_CSV_ROWS):
        event = json.loads(generator.event(number, _START_MS + number * _INTERVAL_MS).value)
        row = [event[name] for name in _CSV_COLUMNS]
        row[-1] = ("", 'said "thanks"', "rent, March", "two\nlines")[number % 4]
        writer.writerow(_damaged(row, number // 20) if number % 20 == 19 else row)
    return text.getvalue().encode("utf-8")


def _damaged(row: list[str], kind: int) -> list[str]:
    event_id, user_name, location, *rest = row
    return [
        ["", user_name, location, *rest],
        [event_id, "", location, *rest],
        [event_id, "   ", location, *rest],
        [event_id, user_name, "L" * 101, *rest],
        [event_id, user_name, "{Oslo}", *rest],
        [event_id, user_name, "Os\tlo", *rest],
        [event_id, user_name],
        [],
        ["e" * 51, user_name, location, *rest],
        [event_id, user_name, location, *rest, "one", "too many"],
    ][kind]


def main() -> None:
    """Write both files."""
    SAMPLES.mkdir(exist_ok=True)
    NDJSON_SAMPLE.write_bytes(ndjson_sample())
    CSV_SAMPLE.write_bytes(csv_sample())


if __name__ == "__main__":
    main()
