"""`pi3 ledger`: the fate of every offset, and the verdicts on it."""

from __future__ import annotations

import typer

from orchestration.pi3 import servers
from orchestration.pi3.output import AsJson, show


def ledger(as_json: AsJson = False) -> None:
    """Per partition what became of its offsets, and whether they add up, none is LOST, and the audit keeps up.

    `waiting` are committed offsets that are not audited yet. Ends with 1 if a verdict is bad.
    """
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
