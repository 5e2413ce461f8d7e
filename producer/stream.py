"""The endless stream of generated records: good events mixed with given shares of bad, late and repeated ones."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from producer.faults import FAULTS, WEIGHTS
from producer.generator import EventGenerator
from producer.record import Kind, Record, key_of

_HOUR_MS: Final = 3_600_000
_LATE_HOURS: Final = (1.0, 48.0)
# A repeat comes within this many good events of its original, as client retries do.
_REPEAT_WINDOW: Final = 1_000
_REVISIONS: Final = 3


@dataclass(frozen=True)
class Shares:
    """Which part of the records, 0 to 1 each and together, is malformed, late or a duplicate."""

    malformed: float = 0.0
    late: float = 0.0
    duplicate: float = 0.0


class EventStream:
    """Records for a seed. The same seed, shares and clock give the same records; ``clock_ms`` is Unix time."""

    def __init__(self, seed: int, shares: Shares, clock_ms: Callable[[], int]) -> None:
        self._generator = EventGenerator(seed)
        self._rng = random.Random(seed)  # noqa: S311
        self._shares = shares
        self._clock_ms = clock_ms
        self._recent: deque[int] = deque(maxlen=_REPEAT_WINDOW)

    def __iter__(self) -> Iterator[Record]:
        malformed = self._shares.malformed
        late = malformed + self._shares.late
        duplicate = late + self._shares.duplicate
        number = 0
        while True:
            draw = self._rng.random()
            if draw < malformed:
                yield self._malformed(number)
            elif draw < late:
                yield self._late(number)
            elif draw < duplicate and self._recent:
                yield self._duplicate()
                continue
            else:
                yield self._plain(number)
            number += 1

    def _plain(self, number: int) -> Record:
        self._recent.append(number)
        event = self._generator.event(number, self._clock_ms())
        return Record(event.value, event.key)

    def _malformed(self, number: int) -> Record:
        event = self._generator.event(number, self._clock_ms())
        fault = self._rng.choices(FAULTS, WEIGHTS)[0]
        value = fault.damage(event.value)
        return Record(value, event.key if value is None else key_of(value), Kind.MALFORMED)

    def _late(self, number: int) -> Record:
        """A good event, created and stamped hours ago, as from a phone that was offline."""
        self._recent.append(number)
        created_ms = self._clock_ms() - int(self._rng.uniform(*_LATE_HOURS) * _HOUR_MS)
        event = self._generator.event(number, created_ms)
        return Record(event.value, event.key, Kind.LATE, created_ms)

    def _duplicate(self) -> Record:
        """An earlier good event, sent again with other fields."""
        number = self._rng.choice(self._recent)
        event = self._generator.event(number, self._clock_ms(), revision=self._rng.randint(1, _REVISIONS))
        return Record(event.value, event.key, Kind.DUPLICATE)
