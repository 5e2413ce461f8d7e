"""The SQL statements of the ledger, read from their files when used."""

from __future__ import annotations

from pathlib import Path

from orchestration.resources.sql_files import sql_file

SQL_DIR = Path(__file__).parent / "sql"


def statement(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return sql_file(SQL_DIR, name)
