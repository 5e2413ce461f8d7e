"""What became of the offsets that have no row: each record is read from Kafka and judged.

Memory is bounded by a batch of records and, per offset asked for, an integer.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from functools import reduce
from typing import Final

from contract.event import EventRow
from orchestration.ledger.accounting import Fate, fate_of_valid
from orchestration.ledger.offsets import NONE, OffsetRange, OffsetSet
from orchestration.ledger.reader import Batch, RawRecord, RecordReader
from orchestration.ledger.store import DeadLetter, LedgerStore
from orchestration.ledger.validator import validate

_MOST_WAITING: Final = 2_000
_MOST_WAITING_BYTES: Final = 8_000_000


@dataclass(frozen=True)
class Findings:
    """Fates of the offsets below `position`; what was asked for beyond it was not looked at, for want of time."""

    fates: dict[Fate, OffsetSet]
    position: int


class Inquest:
    """Judges the records at some offsets of one partition, and writes the dead letters among them.

    Args:
        once_dead: offsets that were dead when they were counted last. A letter for one of these has been deleted
            since, and is marked as restored.
    """

    def __init__(self, store: LedgerStore, partition: int, once_dead: OffsetSet = NONE) -> None:
        self._store = store
        self._partition = partition
        self._once_dead = frozenset(once_dead)
        self._fates: dict[Fate, list[int]] = defaultdict(list)
        self._letters: list[DeadLetter] = []
        self._letter_bytes = 0
        self._valid: dict[int, str] = {}

    def hold(self, reader: RecordReader, unknown: OffsetSet, span: OffsetRange, deadline: float) -> Findings:
        """Judge the records at `unknown`, all within `span`, until `deadline` (monotonic, s) or a batch longer.

        Raises:
            TransientError: Kafka or Postgres is out of reach.
        """
        position = span.end
        for batch in reader.read(self._partition, unknown):
            self._judge(batch)
            if time.monotonic() > deadline:
                position = batch.position if batch.position < unknown.ranges[-1].end else span.end
                break
        self._settle()
        self._write_letters()
        fates = {fate: OffsetSet.of_offsets(self._fates[fate]) for fate in Fate}
        asked = unknown & OffsetSet.of_ranges([OffsetRange(span.begin, position)])
        return Findings(fates | {Fate.GONE: reduce(OffsetSet.__sub__, fates.values(), asked)}, position)

    def _judge(self, batch: Batch) -> None:
        for record in batch.records:
            verdict = validate(record.value)
            if isinstance(verdict, EventRow):
                self._valid[record.offset] = verdict.event_id
            else:
                restored = record.offset in self._once_dead
                self._keep(DeadLetter(record, verdict, restored), record)
        if len(self._valid) >= _MOST_WAITING:
            self._settle()

    def _keep(self, letter: DeadLetter, record: RawRecord) -> None:
        self._fates[Fate.DEAD].append(record.offset)
        self._letters.append(letter)
        self._letter_bytes += len(record.value or b"")
        if len(self._letters) >= _MOST_WAITING or self._letter_bytes >= _MOST_WAITING_BYTES:
            self._write_letters()

    def _write_letters(self) -> None:
        if self._letters:
            self._store.add_dead_letters(self._letters)
        self._letters, self._letter_bytes = [], 0

    def _settle(self) -> None:
        """The table tells the fates of valid records: asked later than which offsets landed, it knows the latest."""
        places = self._store.places(self._valid.values()) if self._valid else {}
        for offset, event_id in self._valid.items():
            fate = fate_of_valid(self._partition, offset, places.get(event_id, ()))
            self._fates[fate].append(offset)
        self._valid = {}
