"""The schema of the table `events`: versioned migrations, and the comparison of what is there with what is expected."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import psycopg2.errors
import psycopg2.extensions
from psycopg2 import sql

from orchestration.errors import ConfigurationError
from orchestration.resources.sql_files import sql_file

__all__ = ["Column", "Migration", "apply_migrations", "read_migrations", "schema_drift", "table_drift"]

MIGRATIONS_DIR = Path(__file__).parent / "migrations"
SQL_DIR = Path(__file__).parent / "sql"

_LOCK = "SELECT pg_advisory_lock(hashtextextended('pi3.schema_migrations', 0))"
_RECORD = "INSERT INTO schema_migrations (version, name, sha256) VALUES (%s, %s, %s)"


@dataclass(frozen=True)
class Migration:
    """One file `<version>_<name>.sql`; it never changes once applied, which its checksum proves."""

    version: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Checksum of the file's text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Column:
    """One column as Postgres names it: `type` is `format_type`'s text, such as `character varying(50)`."""

    name: str
    type: str
    not_null: bool = False
    has_default: bool = False


EXPECTED = (
    Column("id", "bigint", not_null=True, has_default=True),
    Column("event_id", "character varying(50)", not_null=True),
    Column("user_name", "character varying(50)", not_null=True),
    Column("location", "character varying(100)", not_null=True),
    Column("kafka_partition", "integer"),
    Column("kafka_offset", "bigint"),
    Column("produced_at", "timestamp(3) with time zone"),
    Column("landed_at", "timestamp with time zone", not_null=True, has_default=True),
)


def read_migrations(folder: Path = MIGRATIONS_DIR) -> list[Migration]:
    """All migrations, oldest first."""
    named = ((re.fullmatch(r"(\d{4})_(\w+)", path.stem), path) for path in sorted(folder.glob("*.sql")))
    return [Migration(int(match[1]), match[2], path.read_text("utf-8")) for match, path in named if match]


def pending(migrations: Iterable[Migration], applied: Mapping[int, str]) -> list[Migration]:
    """The migrations still to apply, given the checksums (version -> sha256) of those that are.

    Raises:
        ConfigurationError: an applied migration is unknown here, or its file has changed since.
    """
    known = {migration.version: migration for migration in migrations}
    if unknown := sorted(applied.keys() - known.keys()):
        raise ConfigurationError(
            f"the database has schema version {unknown[-1]}, newer than this code: update the code"
        )
    for version, sha256 in sorted(applied.items()):
        if known[version].sha256 != sha256:
            raise ConfigurationError(
                f"migration {version:04}_{known[version].name}.sql has changed since it was applied: "
                "restore the file, and put the change into a new migration"
            )
    return [migration for version, migration in sorted(known.items()) if version not in applied]


def apply_migrations(
    connection: psycopg2.extensions.connection,
    schema: str,
    roles: Mapping[str, str],
    migrations: Sequence[Migration] | None = None,
) -> tuple[tuple[int, ...], int]:
    """Apply what is pending, one transaction each, and renew the grants; returns (versions applied, current version).

    `roles` maps writer, reader and auditor to role names.

    Raises:
        ConfigurationError: see `pending`; or a table `events` exists that these migrations did not create.
    """
    migrations = read_migrations() if migrations is None else migrations
    with connection, connection.cursor() as cursor:
        # Held until the connection closes, so that two runs apply one after the other.
        cursor.execute(_LOCK)
        cursor.execute(sql_file(SQL_DIR, "schema_migrations"))
        cursor.execute("SELECT version, sha256 FROM schema_migrations")
        todo = pending(migrations, dict(cursor.fetchall()))
    for migration in todo:
        _apply(connection, migration)
    names = {"schema": schema, **roles}
    grants = sql.SQL(sql_file(SQL_DIR, "grants"))
    with connection, connection.cursor() as cursor:
        cursor.execute(grants.format(**{key: sql.Identifier(name) for key, name in names.items()}))
    return tuple(migration.version for migration in todo), max(migration.version for migration in migrations)


def _apply(connection: psycopg2.extensions.connection, migration: Migration) -> None:
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(migration.text)
            cursor.execute(_RECORD, (migration.version, migration.name, migration.sha256))
    except psycopg2.errors.DuplicateTable as error:
        drift = "; ".join(table_drift(connection)) or "its columns are as expected"
        raise ConfigurationError(
            f"{str(error).strip()}, and not by this project's migrations ({drift}): rename that table, or set "
            "PI3_POSTGRES_DATABASE to another database"
        ) from error


def table_drift(connection: psycopg2.extensions.connection) -> tuple[str, ...]:
    """One line for each difference of the table `events` from what the job and the checks rely on."""
    with connection, connection.cursor() as cursor:
        cursor.execute(sql_file(SQL_DIR, "columns"))
        found = [Column(*row) for row in cursor.fetchall()]
        cursor.execute(sql_file(SQL_DIR, "unique_event_id"))
        unique = bool((cursor.fetchone() or (False,))[0])
    return schema_drift(found, unique)


def schema_drift(found: Sequence[Column], unique_event_id: bool) -> tuple[str, ...]:
    """Compare columns with the expected ones; a further column matters only if an insert cannot leave it out."""
    if not found:
        return ("the table events does not exist",)
    by_name = {column.name: column for column in found}
    expected = {column.name: column for column in EXPECTED}
    lines = [f"column {name} is missing" for name in expected if name not in by_name]
    lines += [
        f"column {name} is {_words(by_name[name])}, expected {_words(column)}"
        for name, column in expected.items()
        if name in by_name and by_name[name] != column
    ]
    lines += [
        f"column {column.name} is unknown and NOT NULL without a default, so no event can be inserted"
        for column in found
        if column.name not in expected and column.not_null and not column.has_default
    ]
    return tuple(lines) if unique_event_id else (*lines, "there is no valid unique index on event_id alone")


def _words(column: Column) -> str:
    return f"{column.type}{' NOT NULL' if column.not_null else ''}{' with default' if column.has_default else ''}"
