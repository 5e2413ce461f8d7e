"""Which migrations are pending, and how a table differs from the expected one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from orchestration.errors import ConfigurationError
from orchestration.resources.postgres import Login, PostgresResource
from orchestration.resources.schema import EXPECTED, Column, Migration, pending, read_migrations, schema_drift

ONE, TWO = Migration(1, "one", "SELECT 1"), Migration(2, "two", "SELECT 2")


@pytest.mark.parametrize(
    ("applied", "todo"),
    [({}, [ONE, TWO]), ({1: ONE.sha256}, [TWO]), ({1: ONE.sha256, 2: TWO.sha256}, []), ({2: TWO.sha256}, [ONE])],
)
def test_pending_migrations_come_in_order(applied: dict[int, str], todo: list[Migration]) -> None:
    assert pending([TWO, ONE], applied) == todo


@pytest.mark.parametrize(
    ("applied", "words"),
    [({1: "other"}, "0001_one.sql has changed"), ({1: ONE.sha256, 3: "x"}, "schema version 3, newer than this code")],
)
def test_history_that_does_not_fit_is_refused(applied: dict[int, str], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        pending([ONE, TWO], applied)


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.version for migration in read_migrations()] == list(range(1, len(read_migrations()) + 1))


def test_only_numbered_files_are_migrations(tmp_path: Path) -> None:
    for name in ("0002_b.sql", "0001_a.sql", "notes.sql", "0003_c.txt"):
        (tmp_path / name).write_text("SELECT 1")
    assert [(m.version, m.name) for m in read_migrations(tmp_path)] == [(1, "a"), (2, "b")]


def changed(name: str, **change: object) -> list[Column]:
    return [replace(column, **change) if column.name == name else column for column in EXPECTED]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "unique", "lines"),
    [
        (list(EXPECTED), True, []),
        (list(reversed(EXPECTED)), True, []),
        ([*EXPECTED, Column("note", "text")], True, []),
        ([*EXPECTED, Column("note", "text", not_null=True, has_default=True)], True, []),
        ([*EXPECTED, Column("note", "text", not_null=True)], True, ["column note is unknown and NOT NULL"]),
        ([], False, ["the table events does not exist"]),
        (list(EXPECTED[:-1]), True, ["column landed_at is missing"]),
        (changed("id", type="integer"), True, ["column id is integer NOT NULL with default, expected bigint"]),
        (changed("location", not_null=False), True, ["column location is character varying(100), expected"]),
        (list(EXPECTED), False, ["no valid unique index on event_id"]),
    ],
)
def test_drift_names_each_difference(found: list[Column], unique: bool, lines: list[str]) -> None:
    drift = schema_drift(found, unique)
    assert len(drift) == len(lines)
    assert all(line in text for line, text in zip(lines, drift, strict=True))


def test_a_password_shows_in_no_repr() -> None:
    login = Login("someone", SecretStr("hunter2"))
    resource = PostgresResource("127.0.0.1", 5432, "db", login, login, login, login)
    assert "hunter2" not in f"{resource!r}{resource}{login!r}"
