"""The one error of set-up: somebody has to change something before the command can work."""

from __future__ import annotations


class SetupError(Exception):
    """Set-up or a start cannot go on; the message is one line that says what, where and what to do next."""
