"""What a fault is: something that goes wrong, does damage that can be seen, and passes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.faults.site import Site


class Unavailable(Exception):  # noqa: N818
    """The fault cannot be set up on this machine; the message says what is missing."""


@dataclass(frozen=True)
class Since:
    """Unix times in seconds: when the injection began and was done, and when the fault's cause was taken away."""

    injected_at: float
    struck_at: float
    ended_at: float


class Fault(ABC):
    """One fault. An instance may keep what it needs between its steps; it is used for one trial at a time.

    Attributes:
        duration_s: how long it stays; 0 for a blow.
        recovery_goal_s: from its end until the first new row has landed.
        red: the check that must fail because of it, within `detection_goal_s` of the injection, and pass again
            afterwards; None if it is over too soon to be seen, or is none of the pipeline's business.
        causes: `stream_healthy` must name one of these (orchestration/health/causes.py).
        stays_red: the check tells of damage that cannot be undone, so it does not pass again.
        loses_records: Kafka loses some before the job has read them, and the ledger must say so.
        standstill_limit_s: for how long no row may land, where the stream itself is not hit.
        spoils: what it leaves behind is no fair start for the next one.
        wants_disks: it needs a site with disks of limited size.
    """

    name: str
    group: str
    duration_s: float = 0.0
    recovery_goal_s: float = 15.0
    detection_goal_s: float = 45.0
    red: str | None = None
    causes: tuple[str, ...] = ()
    stays_red: bool = False
    loses_records: bool = False
    standstill_limit_s: float | None = None
    spoils: bool = False
    wants_disks: bool = False

    def setup(self, site: Site) -> None:  # noqa: B027 - most need none
        """Before the fault, under load. Raises Unavailable if it cannot be done here."""

    @abstractmethod
    def inject(self, site: Site) -> None:
        """Let it go wrong."""

    @abstractmethod
    def bit(self, site: Site) -> bool:
        """Whether damage can be seen; asked again and again until the fault ends, and once more after its end."""

    def end(self, site: Site) -> None:  # noqa: B027 - a blow is over at once
        """Take the cause away; also called when `inject` failed, and then perhaps there is nothing to take away."""

    def recovered(self, site: Site, since: Since) -> float | None:
        """The Unix time at which the pipeline worked again; None if it does not yet.

        By default when the first row landed after the end of the fault that was produced after its injection.
        """
        return site.first_landed(since.struck_at, since.ended_at)

    def complaints(self, site: Site) -> list[str]:
        """What else is not as it should be once all is accounted for; each makes the verdict red."""
        del site
        return []

    def __str__(self) -> str:
        return self.name
