"""What the commands of the command line tell of their progress."""

from __future__ import annotations

import time


def say(words: str) -> None:
    """Print a line that begins with the time of day, at once."""
    print(f"[{time.strftime('%H:%M:%S')}] {words}", flush=True)
