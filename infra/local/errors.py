"""The one error of set-up: somebody has to change something before the command can work."""

from __future__ import annotations


class SetupError(Exception):
    """Set-up or a start cannot go on; the message is one line that says what, where and what to do next."""


def in_one_line(text: str, limit: int = 400) -> str:
    """What a program complained of, as part of such a message: its lines joined, only the end if it is long."""
    joined = " ".join(text.split())
    return joined if len(joined) <= limit else f"... {joined[-limit:]}"
