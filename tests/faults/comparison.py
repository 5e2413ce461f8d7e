"""The producers' own record against the table, row by row, in Postgres."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from psycopg2.extensions import connection as Connection  # noqa: N812

from orchestration.resources.postgres import PostgresResource
from orchestration.resources.sql_files import sql_file
from tests.faults.journal import Journal, Sent

SQL: Final = Path(__file__).with_name("sql")
_CREATE_SENT: Final = """
    CREATE TEMPORARY TABLE sent
    (event_id text COLLATE "C", digest text, kafka_partition int, kafka_offset bigint, required boolean)
"""


@dataclass(frozen=True)
class Comparison:
    """Events, by id: `lost` were acknowledged and have no row, `wrong` have another row than they should, `doubled`
    have two (or share the place of another one), `phantom` rows were never sent. `gone` have no row either, but the
    ledger says that Kafka no longer held them. `examples`: up to three ids of each kind.
    """

    acknowledged: int = 0
    lost: int = 0
    wrong: int = 0
    doubled: int = 0
    phantom: int = 0
    gone: int = 0
    examples: dict[str, list[str]] = field(default_factory=dict)


def compare(postgres: PostgresResource, topic: str, journals: Sequence[Journal], since_id: int = 0) -> Comparison:
    """Compare with the rows above `since_id`, the newest when the producers began.

    Raises:
        TransientError: Postgres is out of reach.
    """
    with postgres.connect("owner") as connection, connection, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(_CREATE_SENT)
        _copy(connection, (row for journal in journals for row in journal.sent))
        scope = {"prefixes": [journal.id_prefix for journal in journals], "since_id": since_id, "topic": topic}
        cursor.execute(sql_file(SQL, "rows"), scope)
        cursor.execute(sql_file(SQL, "comparison"))
        found = {kind: (number, examples) for kind, number, examples in cursor.fetchall()}
    counts = {kind: number for kind, (number, _) in found.items()}
    examples = {kind: examples for kind, (_, examples) in found.items()}
    return Comparison(sum(journal.acknowledged for journal in journals), examples=examples, **counts)


def _copy(connection: Connection, rows: Iterable[Sent]) -> None:
    with tempfile.TemporaryFile("w+") as file, connection.cursor() as cursor:
        for row in rows:
            place = "\\N\t\\N" if row.offset is None else f"{row.partition}\t{row.offset}"
            file.write(f"{row.event_id}\t{row.digest}\t{place}\t{'t' if row.required else 'f'}\n")
        file.seek(0)
        cursor.copy_expert("COPY sent FROM STDIN", file)
