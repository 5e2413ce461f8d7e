"""What the commands print: tables for people, JSON for programs; notes go to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestration.text import printable

Row = Mapping[str, Any]
# By title; a part without rows is left out of the tables, and is an empty list in JSON.
Parts = Mapping[str, Sequence[Row]]

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of tables.")]

# Of what is no terminal: a line of a file must not break.
UNBROKEN: Final = 10_000
# Columns whose numbers are names and places, to be copied, and not amounts.
PLACES: Final = {"partition", "offset", "begin", "end", "committed", "from", "to", "pid"}
STYLES: Final = {"ok": "green", "passed": "green", "RUNNING": "green", "WARN": "yellow", "ERROR": "bold red"}


def show(parts: Parts, as_json: bool) -> None:
    """Tables one below the other, or one JSON object with a list for each part."""
    if as_json:
        sys.stdout.write(json.dumps(dict(parts), default=_plain, ensure_ascii=False, indent=2) + "\n")
        return
    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else UNBROKEN)
    for number, (title, rows) in enumerate((title, rows) for title, rows in parts.items() if rows):
        with console.capture() as printed:
            console.print(_table(title, rows))
        lines = printed.get().splitlines()
        sys.stdout.write("\n" * bool(number) + "".join(f"{line if terminal else line.rstrip()}\n" for line in lines))


def show_line(row: Row, as_json: bool) -> None:
    """One line of a stream of them: NDJSON, or the values apart by tabs."""
    if as_json:
        line = json.dumps(dict(row), default=_plain, ensure_ascii=False)
    else:
        line = "\t".join("-" if value is None else printable(str(value)) for value in row.values())
    sys.stdout.write(line + "\n")


def note(text: str) -> None:
    """A line that is no part of the output."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _table(title: str, rows: Sequence[Row]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for name in rows[0]:
        numeric = all(isinstance(row[name], int | float) or row[name] is None for row in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(name, value) for name, value in row.items()))
    return table


def _cell(name: str, value: object) -> Text:
    if value is None:
        return Text("-")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, int | float):
        return Text(f"{value}" if name in PLACES else f"{value:,}")
    words = printable(str(_plain(value) if isinstance(value, datetime | Enum) else value))
    return Text(words, style=STYLES.get(words, ""))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return str(value.value) if isinstance(value, Enum) else str(value)
