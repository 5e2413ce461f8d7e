"""Keeps a stream of records at a given rate."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

# The Kafka client counts the time of a poll in whole milliseconds.
_SHORTEST_WAIT_S: Final = 0.001
_LONGEST_WAIT_S: Final = 0.2
# A pause longer than this, of the input or the broker, is not made up for by a burst.
_LONGEST_LAG_S: Final = 5.0


class Pace:
    """Lets one record pass each ``1 / rate_per_s`` seconds; 0 lets all pass. Waits by calling ``breathe(seconds)``."""

    def __init__(
        self, rate_per_s: float, breathe: Callable[[float], None], clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval_s = 1 / rate_per_s if rate_per_s else 0.0
        self._breathe = breathe
        self._clock_s = clock_s
        self._due_s = clock_s()

    def wait(self) -> None:
        """Return when the next record is due."""
        if not self._interval_s:
            return
        while (ahead_s := self._due_s - self._clock_s()) >= _SHORTEST_WAIT_S:
            self._breathe(min(ahead_s, _LONGEST_WAIT_S))
        self._due_s += self._interval_s
        if ahead_s < -_LONGEST_LAG_S:
            self._due_s = self._clock_s()
