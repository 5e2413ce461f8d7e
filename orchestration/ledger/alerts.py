"""Alerts: what changed among the verdicts of the checks, and how it is told to a webhook.

A webhook cannot take part in a transaction. What was posted is remembered after each post, and what could not be
posted is found again in Dagster's own history at the next tick; so an alert comes twice only if the tick dies, or the
answer is lost, after the webhook has taken it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Final

import requests

from orchestration.errors import TransientError

POST_TIMEOUT_S = 5.0


class State(str, Enum):
    """What a check's latest execution says; WARN and ERROR are the severities of a failed check."""

    PASSED = "passed"
    WARN = "WARN"
    ERROR = "ERROR"
    NO_VERDICT = "no verdict"  # the run that should have evaluated the check failed before it did


RANK: Final = {State.PASSED: 0, State.WARN: 1, State.NO_VERDICT: 2, State.ERROR: 3}


@dataclass(frozen=True)
class Execution:
    """One execution of a check (`<asset>.<name>`); `id` grows with time, `at_s` is Unix time."""

    check: str
    id: int
    state: State
    description: str
    at_s: float


@dataclass(frozen=True)
class Known:
    """The last execution of a check that was told, or that needed no telling."""

    id: int
    state: State


@dataclass(frozen=True)
class Change:
    """An execution whose state differs from the one before."""

    execution: Execution
    before: State


def settled(
    known: Mapping[str, Known], executions: Iterable[Execution], now_s: float, settle_s: float
) -> list[Execution]:
    """Less those that are better than before and have not stayed so for `settle_s`: what flaps is told once.

    What gets worse counts at once. A check that was never seen is left as it is.
    """
    kept: list[Execution] = []
    of_check: dict[str, list[Execution]] = {}
    for execution in sorted(executions, key=lambda execution: execution.id):
        of_check.setdefault(execution.check, []).append(execution)
    for check, history in of_check.items():
        former = known.get(check)
        kept += _settled(former, history, now_s, settle_s) if former else history
    return kept


def _settled(former: Known, history: Iterable[Execution], now_s: float, settle_s: float) -> list[Execution]:
    state, kept, better = former.state, list[Execution](), list[Execution]()
    for execution in history:
        if execution.id <= former.id:
            continue
        if RANK[execution.state] >= RANK[state]:
            better.clear()
        better.append(execution)
        if RANK[execution.state] >= RANK[state] or execution.at_s - better[0].at_s >= settle_s:
            kept += better
            state = execution.state
            better.clear()
    return kept + better if better and now_s - better[0].at_s >= settle_s else kept


def changes(known: Mapping[str, Known], executions: Iterable[Execution]) -> list[Change]:
    """The changes of state since `known`, oldest first.

    Of a check that was never seen only the newest execution counts, and as if it had passed before: what a new
    deployment, or a cursor that was reset, finds in the history is no news.
    """
    ordered = sorted(executions, key=lambda execution: execution.id)
    newest = latest(ordered)
    states = {check: former.state for check, former in known.items()}
    found = []
    for execution in ordered:
        seen_to = known[execution.check].id if execution.check in known else newest[execution.check].id - 1
        before = states.get(execution.check, State.PASSED)
        if execution.id <= seen_to:
            continue
        if execution.state is not before:
            found.append(Change(execution, before))
        states[execution.check] = execution.state
    return found


def latest(executions: Iterable[Execution]) -> dict[str, Known]:
    """The newest execution of each check, as something known."""
    ordered = sorted(executions, key=lambda execution: execution.id)
    return {execution.check: Known(execution.id, execution.state) for execution in ordered}


def to_cursor(known: Mapping[str, Known]) -> str:
    """What is known as JSON."""
    return json.dumps({check: asdict(former) for check, former in sorted(known.items())})


def from_cursor(cursor: str | None) -> dict[str, Known]:
    """What `to_cursor` wrote; nothing is known without a cursor."""
    told = json.loads(cursor) if cursor else {}
    return {check: Known(former["id"], State(former["state"])) for check, former in told.items()}


def words(change: Change, dagster_url: str) -> str:
    """One line for a person, with the way to the check."""
    execution = change.execution
    asset, _, name = execution.check.rpartition(".")
    link = f"{dagster_url}/assets/{asset}?view=checks&checkDetail={name}"
    if execution.state is State.PASSED:
        return f"[ok] {execution.check} passes again (was {change.before.value}): {execution.description} {link}"
    return f"[{execution.state.value}] {execution.check}: {execution.description} {link}"


def post(url: str, text: str) -> None:
    """Post Slack-shaped JSON, `{"text": ...}`, which most chat and on-call tools take.

    Raises:
        TransientError: no answer, or an error; the message leaves out the address, which is often a secret.
    """
    try:
        answer = requests.post(url, json={"text": text}, timeout=POST_TIMEOUT_S)
    except requests.RequestException as error:
        raise TransientError(f"the alert webhook did not answer ({type(error).__name__}): it is tried again") from None
    if not answer.ok:
        raise TransientError(
            f"the alert webhook answered {answer.status_code}: it is tried again; if it stays so, check "
            "PI3_ALERT_WEBHOOK_URL"
        )
