"""`pi3 dead-letters`: list, show, redrive."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from orchestration.errors import ConfigurationError
from orchestration.pi3 import servers
from orchestration.pi3.output import AsJson, note, show
from orchestration.pi3.runs import STEP_S, Timeout, run
from orchestration.text import as_text

app = typer.Typer(name="dead-letters", help="Records that are no valid event.", epilog="Example: pi3 dead-letters list")


@app.command("list", epilog="Example: pi3 dead-letters list --max 5")
def list_letters(
    most: Annotated[int, typer.Option("--max", min=1, help="So many of the newest letters.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Counts by reason, the state of redrives, and the newest letters."""
    from orchestration.ledger.letters import read_letters

    found = servers.connect()
    letters = read_letters(found.postgres, found.settings.kafka_topic, most)
    show(
        {
            "reasons": [{"reason": reason, "letters": n} for reason, n in sorted(letters.by_reason.items())],
            "redrives": [{"state": state, "letters": n} for state, n in sorted(letters.redrives.items())],
            "newest": [vars(letter) for letter in letters.newest],
        },
        as_json,
    )


@app.command("show", epilog="Example: pi3 dead-letters show 0 1234")
def show_letter(
    partition: Annotated[int, typer.Argument(min=0)],
    offset: Annotated[int, typer.Argument(min=0)],
    as_json: AsJson = False,
) -> None:
    """One letter in full: reason, key, value, headers and what was redriven."""
    from orchestration.ledger.letters import read_letter

    found = servers.connect()
    letter = read_letter(found.postgres, found.settings.kafka_topic, partition, offset)
    if letter is None:
        raise ConfigurationError(f"no dead letter of partition {partition}, offset {offset}: `pi3 dead-letters list`")
    plain = {name: as_text(value) if isinstance(value, bytes) else value for name, value in letter.items()}
    if as_json:
        show({"letter": [plain]}, as_json)
    else:
        show({"letter": [{"field": name, "value": value} for name, value in plain.items()]}, as_json)


@app.command("redrive", epilog="Example: pi3 dead-letters redrive --reason blank --fix my_fixes.repair --yes")
def redrive(
    reasons: Annotated[list[str] | None, typer.Option("--reason", help="Several: give it several times.")] = None,
    partition: Annotated[int | None, typer.Option(min=0)] = None,
    from_offset: Annotated[int | None, typer.Option(min=0)] = None,
    to_offset: Annotated[int | None, typer.Option(min=0, help="The first not to redrive.")] = None,
    since: Annotated[str | None, typer.Option(help="ISO time, of the record's timestamp.")] = None,
    until: Annotated[str | None, typer.Option(help="ISO time.")] = None,
    fix: Annotated[str, typer.Option(help="package.module.function(value, key) -> repaired value or None.")] = "",
    limit: Annotated[int, typer.Option(min=1)] = 10_000,
    even_if_invalid: Annotated[bool, typer.Option("--even-if-invalid")] = False,
    overwrite_newer: Annotated[bool, typer.Option("--overwrite-newer")] = False,
    unconfirmed: Annotated[bool, typer.Option("--unconfirmed", help="Those too that a crash left claimed.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Those too that were sent before.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is a dry run.")] = False,
    timeout_s: Timeout = STEP_S,
    as_json: AsJson = False,
) -> None:
    """Show which letters would be sent again and why others would not; with --yes launch the job `redrive`."""
    given = {name: value for name, value in locals().items() if name not in ("yes", "timeout_s", "as_json")}
    config = {name: value for name, value in given.items() if value is not None}
    planned = _planned(config)
    runs = [run("redrive", {"ops": {"redrive_letters": {"config": config}}}, timeout_s)] if yes else []
    show({"redrive": planned, "runs": runs}, as_json)
    if not yes:
        note("a dry run: nothing was sent; add --yes to do it")


def _planned(config: dict[str, Any]) -> list[dict[str, Any]]:
    from orchestration.ledger import republish
    from orchestration.ledger.redrive import load_fix
    from orchestration.ledger_ops import RedriveConfig
    from orchestration.resources.brokers import Brokers

    asked = RedriveConfig(**config)
    orders = republish.Orders(
        selection=asked.selection(),
        fix=load_fix(asked.fix),
        run="",
        limit=asked.limit,
        even_if_invalid=asked.even_if_invalid,
        overwrite_newer=asked.overwrite_newer,
        dry_run=True,
    )
    found = servers.connect()
    brokers = Brokers.of_producers(found.settings)
    report = republish.redrive(found.postgres, brokers, found.settings.kafka_topic, orders)
    left = [{"what": f"left: {why.value}", "letters": count} for why, count in report.left.most_common()]
    return [{"what": "selected", "letters": report.selected}, {"what": "sent", "letters": report.sendable}, *left]
