"""The ledger's side of Postgres: what has landed, the dead letters, and the ledger itself."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final, NamedTuple

import psycopg2.extensions
from psycopg2.extras import execute_values

from orchestration.ledger.accounting import UNLANDED, Account, Fate, PartitionTotals
from orchestration.ledger.offsets import NONE, OffsetRange, OffsetSet
from orchestration.ledger.reader import RawRecord
from orchestration.ledger.statements import statement
from orchestration.ledger.validator import Rejection

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class DeadLetter(NamedTuple):
    """A record that broke the contract, and why; `restored`: it was in the table once and had been deleted."""

    record: RawRecord
    rejection: Rejection
    restored: bool = False


class LedgerStore:
    """The ledger of one topic, over one connection; every method is a transaction of its own."""

    def __init__(self, connection: psycopg2.extensions.connection, topic: str) -> None:
        self._connection = connection
        self._topic = topic

    def try_lock(self) -> bool:
        """Claim the topic's ledger until `unlock`, or until the session ends; False if another session has it."""
        return bool(self._query("try_lock")[0][0])

    def unlock(self) -> None:
        """Give the ledger up at once: the server ends a session some time after its client has closed it."""
        self._query("unlock")

    def landed(self, partition: int, span: OffsetRange) -> OffsetSet:
        """Offsets of the span that a row of `events` has."""
        missing = self._query("missing", partition=partition, **vars(span))
        return OffsetSet.of_ranges([span]) - OffsetSet.of_ranges(OffsetRange(*gap) for gap in missing)

    def dead(self, partition: int, span: OffsetRange) -> OffsetSet:
        """Offsets of the span that are in `dead_letters`."""
        return OffsetSet.from_sql(self._query("dead", partition=partition, **vars(span))[0][0])

    def places(self, event_ids: Iterable[str]) -> Mapping[str, list[tuple[int | None, int | None]]]:
        """Where the rows with these event_ids come from: (partition, offset); an event_id without a row is absent."""
        found = defaultdict(list)
        for event_id, partition, offset in self._query("rows_of_events", event_ids=list(event_ids)):
            found[event_id].append((partition, offset))
        return found

    def add_dead_letters(self, letters: Iterable[DeadLetter]) -> None:
        """Write letters; one that is there already stays as it is."""
        rows = [self._letter_row(letter) for letter in letters]
        with self._connection, self._connection.cursor() as cursor:
            execute_values(cursor, statement("insert_dead_letters"), rows)

    def audited_to(self) -> dict[int, int]:
        """By partition, the first offset that was never audited; a partition without a ledger is absent."""
        return dict(self._query("audited_to"))

    def record(self, partition: int, *accounts: Account) -> None:
        """Write accounts of adjoining spans in place of whatever entries lie within them.

        The first counts as counted now; the following keep the time of what they replace.
        """
        whole = OffsetRange(accounts[0].span.begin, accounts[-1].span.end)
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(statement("delete_entries"), self._place(partition, whole))
            replaced = cursor.fetchall()
            audited_at = max((row[0] for row in replaced), default=None)
            counted_at = min((row[1] for row in replaced), default=None)
            for index, account in enumerate(accounts):
                times = {"audited_at": audited_at, "counted_at": counted_at if index else None}
                figures = {fate.value: count for fate, count in account.counts.items()}
                sets = {f"{fate.value}_offsets": account.unlanded[fate].to_sql() for fate in UNLANDED}
                cursor.execute(statement("insert_entry"), self._place(partition, account.span) | figures | sets | times)

    def least_recently_counted(
        self, countable: Mapping[int, OffsetRange], before: datetime, *, only_lost: bool
    ) -> tuple[int, int] | None:
        """Partition and begin of the entry that was counted longest ago, of those within `countable`.

        None if all of them were counted since `before`; `only_lost`: of those with LOST offsets.
        """
        spans = {
            "partitions": list(countable),
            "begins": [span.begin for span in countable.values()],
            "ends": [span.end for span in countable.values()],
        }
        found = self._query("least_recently_counted", before=before, only_lost=only_lost, **spans)
        return found[0] if found else None

    def entries(self, partition: int, span: OffsetRange) -> list[Account]:
        """The entry that begins at the span's begin, and those after it that end within the span."""
        return [
            Account(
                OffsetRange(begin, end),
                landed,
                {fate: OffsetSet.from_sql(text) for fate, text in zip(UNLANDED, sets, strict=True)},
            )
            for begin, end, landed, *sets in self._query("entries", partition=partition, **vars(span))
        ]

    def totals(self) -> dict[int, PartitionTotals]:
        """The whole ledger, by partition."""
        return {
            partition: PartitionTotals(
                OffsetRange(begin, end), covered, dict(zip((Fate.LANDED, *UNLANDED), counts, strict=True)), acknowledged
            )
            for partition, begin, end, covered, acknowledged, *counts in self._query("totals")
        }

    def gone_and_lost(self, most_ranges: int = 100) -> tuple[dict[int, OffsetSet], dict[int, OffsetSet]]:
        """GONE offsets that are not acknowledged, and LOST ones, by partition: at most so many ranges, the lowest."""
        gone: dict[int, OffsetSet] = {}
        lost: dict[int, OffsetSet] = {}
        for partition, gone_text, lost_text in self._query("gone_and_lost"):
            for found, text in ((gone, gone_text), (lost, lost_text)):
                if added := OffsetSet.from_sql(text):
                    found[partition] = OffsetSet((found.get(partition, NONE) | added).ranges[:most_ranges])
        return gone, lost

    def acknowledge_gone(self, reason: str, run: str) -> dict[int, OffsetSet]:
        """Acknowledge all GONE offsets; returns, by partition, those that no earlier run had acknowledged."""
        found = self._query("acknowledge_gone", reason=reason, run=run)
        return {partition: OffsetSet.from_sql(text) for partition, text in sorted(found)}

    def now(self) -> datetime:
        """The server's clock, which stamps the entries."""
        moment: datetime = self._query("now")[0][0]
        return moment

    def _query(self, name: str, **parameters: object) -> list[tuple[Any, ...]]:
        with self._connection, self._connection.cursor() as cursor:
            cursor.execute(statement(name), {"topic": self._topic, **parameters})
            return cursor.fetchall()

    def _place(self, partition: int, span: OffsetRange) -> dict[str, Any]:
        return {"topic": self._topic, "partition": partition, **vars(span)}

    def _letter_row(self, letter: DeadLetter) -> tuple[Any, ...]:
        record, rejection, restored = letter
        headers = [
            (name, None if value is None else base64.b64encode(value).decode()) for name, value in record.headers
        ]
        return (
            self._topic,
            record.partition,
            record.offset,
            rejection.reason.value,
            rejection.detail,
            record.key,
            record.value,
            json.dumps(headers),
            moment_of(record.timestamp_ms),
            datetime.now(timezone.utc) if restored else None,
        )


def moment_of(timestamp_ms: int) -> datetime | None:
    """The instant of a Kafka timestamp; None if it has none or, as any producer may set it, no date can hold it."""
    try:
        return _EPOCH + timedelta(milliseconds=timestamp_ms) if timestamp_ms >= 0 else None
    except OverflowError:
        return None
