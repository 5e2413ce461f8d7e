"""Times that people type."""

from __future__ import annotations

from datetime import datetime, timezone


def parse_time(text: str) -> datetime:
    """An ISO time, UTC unless it says otherwise.

    Raises:
        ValueError: it is none.
    """
    told = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return told if told.tzinfo else told.replace(tzinfo=timezone.utc)
