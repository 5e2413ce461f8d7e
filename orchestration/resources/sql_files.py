"""SQL statements, read from their files when used."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def sql_file(folder: Path, name: str) -> str:
    """The text of `<folder>/<name>.sql`."""
    return (folder / f"{name}.sql").read_text("utf-8")
