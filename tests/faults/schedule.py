"""Which fault comes next, and when: a function of the seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")
_LONGEST_PAUSE_S: Final = 20.0


@dataclass(frozen=True)
class Turn:
    """The catalogue's place of the next fault, and how long to wait before it, so that it meets other moments."""

    place: int
    pause_s: float


def turns(seed: int, size: int) -> Iterator[Turn]:
    """Without end, shuffled round by round: each fault comes once before any comes again."""
    rng = random.Random(seed)  # noqa: S311
    while True:
        for place in rng.sample(range(size), size):
            yield Turn(place, round(rng.uniform(0, _LONGEST_PAUSE_S), 1))


def chosen(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """The places of the wanted names, in the order of the catalogue; a name may be a group's or a part of names.

    Raises:
        ValueError: a wanted name matches nothing.
    """
    if unknown := [word for word in wanted if not any(word in name for name in names)]:
        raise ValueError(f"no fault is called {', '.join(unknown)}: choose of {', '.join(names)}")
    return [place for place, name in enumerate(names) if not wanted or any(word in name for word in wanted)]
