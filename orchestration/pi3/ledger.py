"""`pi3 ledger`: the fate of every offset, the verdicts on it, and the acknowledgement of what is gone."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestration.errors import ConfigurationError
from orchestration.pi3 import servers
from orchestration.pi3.output import AsJson, note, show
from orchestration.pi3.runs import STEP_S, Timeout, launch

app = typer.Typer(name="ledger", invoke_without_command=True, epilog="Example: pi3 ledger")


@app.callback()
def ledger(context: typer.Context, as_json: AsJson = False) -> None:
    """Per partition what became of its offsets, and whether they add up, none is LOST, and the audit keeps up.

    `waiting` are committed offsets that are not audited yet. Ends with 1 if a verdict is bad.
    """
    if context.invoked_subcommand is None:
        _accounts(as_json)


@app.command("acknowledge", epilog='Example: pi3 ledger acknowledge --reason "known outage" --confirm topic_splitpay')
def acknowledge(
    reason: Annotated[str, typer.Option(help="Why the loss is accepted; kept with the offsets.")] = "",
    confirm: Annotated[str, typer.Option(help="The topic's name: do it. Without this it is a dry run.")] = "",
    timeout_s: Timeout = STEP_S,
    as_json: AsJson = False,
) -> None:
    """Show the offsets that are gone and that nobody has acknowledged, and acknowledge them once confirmed."""
    if confirm and not reason.strip():
        raise ConfigurationError("an acknowledgement says why the loss is accepted: add --reason")
    if confirm:
        config = {"reason": reason, "confirm": confirm, "dry_run": False}
        run_config = {"ops": {"acknowledge_gone_offsets": {"config": config}}}
        launch("acknowledge_gone", run_config, timeout_s, as_json)
        return
    from orchestration.ledger.acknowledgement import rows
    from orchestration.ledger.standing import read_standing

    found = servers.connect()
    topic = found.settings.kafka_topic
    show({"gone": rows(read_standing(found.postgres, topic))}, as_json)
    note(f'a dry run: nothing was acknowledged; to do it, add --reason "..." --confirm {topic}')


def _accounts(as_json: bool) -> None:
    from orchestration.ledger import verdicts
    from orchestration.ledger.accounting import Fate
    from orchestration.ledger.standing import read_standing

    found = servers.connect()
    settings, topic = found.settings, found.settings.kafka_topic
    begins = {number: span.begin for number, span in found.kafka.offsets(topic).items()}
    committed = found.kafka.committed(settings.kafka_consumer_group, topic)
    standing = read_standing(found.postgres, topic)
    backlog = standing.backlog(committed, begins)
    rows = [
        {
            "partition": number,
            "from": totals.span.begin,
            "to": totals.span.end,
            **{fate.value: totals.counts.get(fate, 0) for fate in Fate},
            "waiting": backlog.get(number, 0),
        }
        for number, totals in sorted(standing.totals.items())
    ]
    judged = {
        "nothing_lost": verdicts.nothing_lost(standing.totals, standing.lost, standing.gone),
        "offsets_balance": verdicts.offsets_balance(standing.totals),
        "audit_keeps_up": verdicts.audit_keeps_up(backlog, standing.audited_age_s, settings.landing_patience_s),
    }
    told = [
        {"verdict": "passed" if verdict.passed else verdict.severity.value, "check": name, "why": verdict.description}
        for name, verdict in judged.items()
    ]
    show({"ledger": rows, "verdicts": told}, as_json)
    if not all(verdict.passed for verdict in judged.values()):
        raise typer.Exit(1)
