"""How the ledger stands, read from its tables: what its checks judge, whoever ran the last pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orchestration.ledger.accounting import PartitionTotals, PassReport
from orchestration.ledger.offsets import OffsetSet
from orchestration.ledger.statements import statement
from orchestration.ledger.store import LedgerStore
from orchestration.ledger.verdicts import DeepAuditFacts
from orchestration.resources.postgres import PostgresResource

EXAMPLES: Final = 3
# The nightly audit reads everything that is retained, so what is wrong still is found anew each night.
FINDINGS_WINDOW_H: Final = 48


@dataclass(frozen=True)
class Standing:
    """The whole ledger of one topic, by partition; of `lost` and `gone` the first ranges.

    `gone`: those that nobody has acknowledged.
    `audited_age_s`: since the last range was audited; None if there is none.
    """

    totals: Mapping[int, PartitionTotals]
    lost: Mapping[int, OffsetSet]
    gone: Mapping[int, OffsetSet]
    audited_age_s: float | None

    @classmethod
    def after(cls, report: PassReport) -> Standing:
        """The standing that a pass has left."""
        return cls(report.totals, report.lost, report.gone, 0.0 if report.totals else None)

    def backlog(self, committed: Mapping[int, int], begins: Mapping[int, int]) -> dict[int, int]:
        """Committed offsets that are not audited; of a partition never audited, those from its begin on."""
        audited = dict(begins) | {number: totals.span.end for number, totals in self.totals.items()}
        return {number: max(0, offset - audited.get(number, 0)) for number, offset in committed.items()}


def read_standing(postgres: PostgresResource, topic: str) -> Standing:
    """Read the ledger of the topic.

    Raises:
        TransientError: Postgres is out of reach.
    """
    with postgres.connect("reader") as connection:
        store = LedgerStore(connection, topic)
        totals = store.totals()
        gone, lost = store.gone_and_lost()
        with connection, connection.cursor() as cursor:
            cursor.execute(statement("standing_age"), {"topic": topic})
            (age_s,) = cursor.fetchone() or (None,)
    return Standing(totals, lost, gone, age_s)


def read_deep_audit(postgres: PostgresResource, topic: str) -> DeepAuditFacts | None:
    """The newest deep audit, and the findings that none has cleared since; None if there was no audit.

    Raises:
        TransientError: Postgres is out of reach.
    """
    parameters = {"topic": topic, "window_h": FINDINGS_WINDOW_H, "examples": EXAMPLES}
    with postgres.connect("reader") as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement("standing_deep_audit"), parameters)
        row = cursor.fetchone()
    return DeepAuditFacts(*row) if row else None
