"""Postgres as Dagster sees it: the schema is migrated and verified, and the table `events` is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import psycopg2
import psycopg2.errors
import psycopg2.extensions

# Dagster's own mark for a resource that is a plain object, as its Pipes clients are.
from dagster._core.definitions.resource_annotation import TreatAsResourceParam
from pydantic import SecretStr

from orchestration.errors import ConfigurationError, TransientError
from orchestration.resources.schema import SQL_DIR, apply_migrations, table_drift
from orchestration.resources.sql_files import sql_file
from orchestration.resources.topics import OffsetRange

__all__ = ["Latency", "Login", "MigrationReport", "PostgresResource", "Progress"]

Role = Literal["owner", "writer", "reader", "auditor"]

# A server that vanished without a word is given up after about 20 s; the kernel's own limits are a quarter of an hour
# for what was sent, and two hours of silence. It costs a packet every 10 s on an idle connection.
# https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-KEEPALIVES
_DEAD_PEER: Final[dict[str, Any]] = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}

# libpq reports a refused login without SQLSTATE, so its (English) text is all there is to tell it from a server
# that is down; in another language the error counts as transient and still shows the server's own words.
_REFUSALS = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "no password supplied",
    "permission denied",
    "certificate",
    "does not support SSL",
    "invalid ssl",
    "no encryption",
)


@dataclass(frozen=True)
class Login:
    """A role of the database; the password shows in no repr."""

    name: str
    password: SecretStr


@dataclass(frozen=True)
class MigrationReport:
    """`applied`: the versions applied now, oldest first."""

    applied: tuple[int, ...]
    current_version: int


@dataclass(frozen=True)
class Progress:
    """How far the table has come: a cursor that one heartbeat hands to the next (plain values, so JSON keeps it).

    Rows up to `settled_id` are counted for good. Those above are counted anew each time, because a row may become
    visible after one with a higher id; an id counts as settled once a whole beat has passed since it was the newest.
    """

    settled_rows: int = 0
    settled_id: int = 0
    newest_id: int = 0
    total_rows: int = 0
    newest_landed_at: datetime | None = None


@dataclass(frozen=True)
class Latency:
    """From the Kafka record's timestamp to the row's insertion, over `rows` recent rows; None if there are none."""

    rows: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True)
class PostgresResource(TreatAsResourceParam):
    """One database, by four roles: owner (schema), writer (the job), reader (checks and sensors), auditor (the ledger).

    No ConfigurableResource, since Dagster shows the fields of those, and would not carry a private one into a run.

    Every method raises TransientError if the server is out of reach or too slow, and ConfigurationError if it refuses
    the login or the table is missing.
    """

    host: str
    port: int
    database: str
    owner: Login
    writer: Login
    reader: Login
    auditor: Login
    schema: str = "public"
    connect_timeout_s: int = 3
    statement_timeout_s: int = 30
    options: Mapping[str, SecretStr] = field(default_factory=dict)  # libpq's, of every role's sessions

    @contextmanager
    def connect(self, role: Role) -> Iterator[psycopg2.extensions.connection]:
        """A connection, closed at the end; what was not committed by then is rolled back."""
        login: Login = getattr(self, role)
        with self._translated_errors(login):
            connection = psycopg2.connect(
                host=self.host,
                port=self.port,
                dbname=self.database,
                user=login.name,
                password=login.password.get_secret_value(),
                connect_timeout=self.connect_timeout_s,
                **_DEAD_PEER | {name: value.get_secret_value() for name, value in self.options.items()},
                application_name=f"pi3 {role}",
            )
            try:
                self._set_up(connection)
                yield connection
            finally:
                connection.close()

    def _set_up(self, connection: psycopg2.extensions.connection) -> None:
        """By a statement, for a pooler such as PgBouncer takes no `options` when a session begins."""
        limits = {"statement_timeout": f"{self.statement_timeout_s}s", "search_path": self.schema}
        connection.autocommit = True  # else the end of the first transaction could take them back
        with connection.cursor() as cursor:
            cursor.execute(sql_file(SQL_DIR, "session"), limits)
        connection.autocommit = False

    def migrate(self) -> MigrationReport:
        """Bring the schema to the newest version, renew the grants, and verify the result.

        Raises:
            ConfigurationError: an applied migration has changed, or the table has other columns than expected.
        """
        with self.connect("owner") as connection:
            roles = {"writer": self.writer.name, "reader": self.reader.name, "auditor": self.auditor.name}
            applied, current = apply_migrations(connection, self.schema, roles)
            drift = table_drift(connection)
        if drift:
            raise ConfigurationError(
                f"table events in {self._where()} is not as the pipeline needs it: {'; '.join(drift)}. "
                "Undo the change, or rename the table and set PI3_POSTGRES_DATABASE to a new database"
            )
        return MigrationReport(applied, current)

    def verify_events_table(self) -> tuple[str, ...]:
        """One line for each difference from the expected columns and unique index; empty if there is none."""
        with self.connect("reader") as connection:
            return table_drift(connection)

    def total_rows(self) -> int:
        """Exact number of rows; reads a whole index (see `progress` for a heartbeat)."""
        return int(self._query("total_rows")[0][0])

    def landed_rows(self, within: Mapping[int, OffsetRange] | None = None) -> dict[int, int]:
        """Rows per Kafka partition; `within` counts only rows whose offset is in that partition's range."""
        if within is None:
            return dict(self._query("landed_rows"))
        spans = {
            "partitions": list(within),
            "begins": [span.begin for span in within.values()],
            "ends": [span.end for span in within.values()],
        }
        return dict.fromkeys(within, 0) | dict(self._query("landed_rows_within", spans))

    def progress(self, last: Progress = Progress()) -> Progress:
        """Total and newest rows, at the cost of the rows that are new since `last`.

        Without `last`, and when the ids went back (a table made anew), all rows are counted.
        """
        bounds = {"settled_id": last.settled_id, "newest_id": last.newest_id}
        settled, since, newest_id, newest_landed_at = self._query("progress", bounds)[0]
        if (newest_id or 0) < last.newest_id:
            return self.progress()
        return Progress(
            settled_rows=last.settled_rows + settled,
            settled_id=last.newest_id,
            newest_id=newest_id or 0,
            total_rows=last.settled_rows + since,
            newest_landed_at=newest_landed_at,
        )

    def latency(self, window_s: float, newest_ids: int = 20_000) -> Latency:
        """End-to-end latency of the rows inserted in the last `window_s`, at most those with the newest ids."""
        rows, p50_ms, p99_ms = self._query("latency", {"window_s": window_s, "newest_ids": newest_ids})[0]
        return Latency(rows, p50_ms, p99_ms)

    def duplicates(self, limit: int = 100) -> dict[str, int]:
        """At most `limit` event_ids with several rows, and how many rows each has; reads a whole index."""
        return dict(self._query("duplicates", {"limit": limit}))

    def privileges(self, asked: Sequence[tuple[str, str, str]]) -> list[bool | None]:
        """Whether each role (by its name) has the privilege on the table; None if there is no such table."""
        roles, relations, privileges = (list(column) for column in zip(*asked, strict=True))
        rows = self._query("privileges", {"roles": roles, "relations": relations, "privileges": privileges})
        granted = {row[:3]: row[3] for row in rows}
        return [granted[item] for item in asked]

    def encryption(self) -> str | None:
        """The protocol that encrypts the reader's session, such as TLSv1.3; None: nothing does."""
        rows = self._query("session_encryption")
        return str(rows[0][0]) if rows else None

    def may_create(self, role: str) -> bool:
        """Whether the role may create tables in the schema."""
        return bool(self._query("may_create", {"role": role, "schema": self.schema})[0][0])

    def _query(self, name: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with self.connect("reader") as connection, connection.cursor() as cursor:
            cursor.execute(sql_file(SQL_DIR, name), parameters)
            return cursor.fetchall()

    @contextmanager
    def _translated_errors(self, login: Login) -> Iterator[None]:
        try:
            yield
        except psycopg2.errors.QueryCanceled as error:
            raise TransientError(
                f"a statement took more than {self.statement_timeout_s} s in {self._where()}: try again when the "
                "server is less busy"
            ) from error
        except psycopg2.OperationalError as error:
            raise self._refused_or_down(login, str(error).strip()) from error
        except psycopg2.errors.UndefinedTable as error:
            raise ConfigurationError(
                f"{self._where()}: {_first_line(error)}: materialise the asset events_table"
            ) from error
        except psycopg2.errors.InsufficientPrivilege as error:
            raise ConfigurationError(
                f"{self._where()}: {_first_line(error)} for {login.name}: run "
                "orchestration/resources/sql/bootstrap.sql as a superuser, then materialise the asset events_table"
            ) from error

    def _refused_or_down(self, login: Login, text: str) -> ConfigurationError | TransientError:
        if any(refusal in text for refusal in _REFUSALS):
            return ConfigurationError(
                f"{self._where()} refuses {login.name}: {text}. Check PI3_POSTGRES_DATABASE, the role's name and its "
                "password, PI3_POSTGRES_OPTIONS, or run orchestration/resources/sql/bootstrap.sql as a superuser"
            )
        return TransientError(
            f"{self._where()} is out of reach: {text}. Try again; if it stays so, check that the server runs and that "
            "PI3_POSTGRES_HOST and PI3_POSTGRES_PORT are right"
        )

    def _where(self) -> str:
        return f"Postgres database {self.database} at {self.host}:{self.port}"


def _first_line(error: psycopg2.Error) -> str:
    return str(error).strip().partition("\n")[0]
