"""The table of results, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tests.faults.outcome import Outcome, Verdict

_COLUMNS: Final = (
    "group", "fault", "verdict", "red after s", "cause named", "new row after s", "green after s", "longest gap s",
    "acknowledged", "lost", "doubled", "phantom", "wrong", "notes",
)  # fmt: skip


def markdown(outcomes: Sequence[Outcome]) -> str:
    """The table, and a line with the sum of the verdicts."""
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    lines += [f"| {' | '.join(_cells(outcome))} |" for outcome in outcomes]
    counts = {verdict: sum(outcome.verdict is verdict for outcome in outcomes) for verdict in Verdict}
    summary = ", ".join(f"{number} {verdict.value}" for verdict, number in counts.items() if number)
    return "\n".join([*lines, "", f"{len(outcomes)} trials: {summary or 'none'}.", ""])


def _cells(outcome: Outcome) -> list[str]:
    seconds = (outcome.recovered_s, outcome.green_again_s, outcome.standstill_s)
    counts = (outcome.acknowledged, outcome.lost, outcome.doubled, outcome.phantom, outcome.wrong)
    return [
        outcome.group,
        outcome.name,
        outcome.verdict.value if outcome.verdict is Verdict.GREEN else f"**{outcome.verdict.value}**",
        _seconds(outcome.detected_s),
        ", ".join(outcome.causes) or "-",
        *map(_seconds, seconds),
        *("-" if value is None else f"{value:,}" for value in counts),
        "; ".join(outcome.notes).replace("|", "\\|").replace("\n", " "),
    ]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def write(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """Write `faults.md` and `faults.json` anew, so that an interrupted suite leaves what it has found."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "faults.md").write_text(markdown(outcomes), encoding="utf-8")
    (folder / "faults.json").write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1) + "\n")


def passed(outcomes: Sequence[Outcome]) -> bool:
    """Whether some trial was green and none red or unknown."""
    verdicts = {outcome.verdict for outcome in outcomes}
    return Verdict.GREEN in verdicts and not verdicts & {Verdict.RED, Verdict.UNKNOWN}
