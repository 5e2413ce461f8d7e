"""All contestants, in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bench.contestants.by_hand import HANDWRITTEN_1, HANDWRITTEN_2, HANDWRITTEN_2_PROVENANCE
from bench.contestants.contestant import Contestant
from bench.contestants.copying import COPY_1, COPY_2
from bench.contestants.debezium import DEBEZIUM
from bench.contestants.flink_default import FLINK_DEFAULT
from bench.contestants.ours import OURS, OURS_WITH_LEDGER
from bench.contestants.quix import QUIX_1, QUIX_2

__all__ = ["ALL", "STREAMING", "chosen"]

ALL: Final = (
    OURS,
    OURS_WITH_LEDGER,
    HANDWRITTEN_1,
    HANDWRITTEN_2,
    HANDWRITTEN_2_PROVENANCE,
    DEBEZIUM,
    QUIX_1,
    QUIX_2,
    FLINK_DEFAULT,
    COPY_1,
    COPY_2,
)

# Those of which latency is measured.
STREAMING: Final = (OURS, HANDWRITTEN_2, DEBEZIUM, QUIX_2)


def chosen(names: Sequence[str], of: Sequence[Contestant] = ALL) -> list[Contestant]:
    """Those named, or all. Names of others (experiments) are left out."""
    found = [contestant for contestant in of if contestant.name in names]
    return found or list(of)
