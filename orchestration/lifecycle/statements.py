"""Transactions on the tables of the lifecycle, and their SQL, read from its files when used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg2.extensions
from psycopg2.extras import RealDictCursor

from orchestration.resources.postgres import PostgresResource, Role
from orchestration.resources.sql_files import sql_file

SQL_DIR: Final = Path(__file__).parent / "sql"

Cursor = psycopg2.extensions.cursor


@contextmanager
def transaction(postgres: PostgresResource, role: Role = "owner") -> Iterator[Cursor]:
    """One transaction, committed at the end.

    Raises:
        TransientError: Postgres is out of reach.
        ConfigurationError: its schema is not there yet.
    """
    with postgres.connect(role) as connection, connection, connection.cursor(cursor_factory=RealDictCursor) as cursor:
        yield cursor


def run(cursor: Cursor, name: str, **values: Any) -> None:  # noqa: ANN401 - as Postgres takes them
    """Execute `sql/<name>.sql`."""
    cursor.execute(sql_file(SQL_DIR, name), values)


def one(cursor: Cursor, name: str, **values: Any) -> dict[str, Any] | None:  # noqa: ANN401
    """Execute `sql/<name>.sql`; its first row by column, None if there is none."""
    run(cursor, name, **values)
    row: Any = cursor.fetchone()
    return dict(row) if row else None
