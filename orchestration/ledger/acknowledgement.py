"""Acknowledgement: an operator has looked into the offsets that are gone and accepts them, so that new ones are seen.

It changes no fate, and what is LOST cannot be acknowledged: a replay mends that.
"""

from __future__ import annotations

from orchestration.errors import ConfigurationError
from orchestration.ledger.audit import ROLE
from orchestration.ledger.offsets import OffsetSet
from orchestration.ledger.standing import Standing
from orchestration.ledger.store import LedgerStore
from orchestration.ledger.verdicts import places, shown
from orchestration.resources.postgres import PostgresResource


def acknowledge_gone(postgres: PostgresResource, topic: str, reason: str, run: str) -> dict[int, OffsetSet]:
    """Acknowledge whatever is gone by now; returns, by partition, what no earlier run had acknowledged.

    Raises:
        TransientError: Postgres is out of reach.
        ConfigurationError: the table is missing, or the auditor lacks a right.
    """
    with postgres.connect(ROLE) as connection:
        return LedgerStore(connection, topic).acknowledge_gone(reason, run)


def require_confirmation(confirm: str, topic: str, reason: str, planned: Standing) -> None:
    """Raises: ConfigurationError unless there is a reason and `confirm` is the topic's name; says what would happen."""
    if confirm == topic and reason.strip():
        return
    raise ConfigurationError(
        f"an acknowledgement is not confirmed, and nothing was done. It would cover {in_words(planned)}. To do it, set "
        f"reason to why that is accepted, and confirm to the topic's name, {topic}"
    )


def in_words(planned: Standing) -> str:
    """What an acknowledgement would cover, for people."""
    count = sum(totals.unacknowledged for totals in planned.totals.values())
    return f"{count:,} gone: {places(planned.gone)}" if count else "nothing: no offset is gone and not acknowledged"


def rows(planned: Standing) -> list[dict[str, int | str]]:
    """What an acknowledgement would cover, as a table; a partition of which nothing is gone is left out."""
    return [
        {
            "partition": number,
            "acknowledged": totals.acknowledged,
            "unacknowledged": totals.unacknowledged,
            "offsets": shown(planned.gone[number]) if number in planned.gone else "",
        }
        for number, totals in sorted(planned.totals.items())
        if totals.acknowledged or totals.unacknowledged
    ]
