"""Faults of the disks: a server's data folder is full for a while."""

from __future__ import annotations

import time
from typing import Any, Final

from tests.faults.disk import why_not
from tests.faults.fault import Fault, Since, Unavailable
from tests.faults.process_faults import stands_still
from tests.faults.site import Site

# A server may have room left in files that it has already: for so long damage is waited for, and then it lasts.
BITE_TIMEOUT_S: Final = 60.0
HOLD_S: Final = 20.0


class DiskFull(Fault):
    """No room until it has done damage, and twenty seconds more; then there is room again, and nobody helps."""

    duration_s = HOLD_S
    recovery_goal_s = 30.0
    detection_goal_s = 60.0
    red = "stream_healthy"
    wants_disks = True

    def __init__(self, disk: str, group: str, **traits: Any) -> None:  # noqa: ANN401
        self.disk = disk
        self.group = group
        self.name = f"{disk}-disk-full"
        vars(self).update(traits)

    def setup(self, site: Site) -> None:
        """Raises Unavailable where the data is on no disk of its own."""
        if self.disk not in site.disks:
            raise Unavailable(why_not() or f"the stack was started without a disk for {self.disk}")

    def inject(self, site: Site) -> None:
        """Fill it, and again what the server frees meanwhile, until that hurts."""
        deadline = time.monotonic() + BITE_TIMEOUT_S
        while time.monotonic() < deadline:
            site.disks[self.disk].fill()
            if self.bit(site):
                return
            time.sleep(0.5)

    def bit(self, site: Site) -> bool:
        """No row lands."""
        return stands_still(site)

    def end(self, site: Site) -> None:
        """Make room; nobody starts a server."""
        site.disks[self.disk].empty()


class CheckpointDiskFull(DiskFull):
    """Rows go on landing, but no checkpoint completes, and so nothing counts as read."""

    recovery_goal_s = 60.0

    def bit(self, site: Site) -> bool:
        """A checkpoint has failed since the last that completed."""
        jobs = site.active_jobs()
        return bool(jobs) and site.flink.checkpoints(jobs[0].id).failed_since_completed > 0

    def recovered(self, site: Site, since: Since) -> float | None:
        """When a checkpoint has completed."""
        jobs = site.active_jobs()
        newest = site.flink.checkpoints(jobs[0].id).latest_completed if jobs else None
        at = newest.completed_at_ms / 1000 if newest else 0.0
        return at if at > since.ended_at else None


FAULTS: Final[tuple[Fault, ...]] = (
    DiskFull("kafka", "broker", causes=("source_unreachable",)),
    DiskFull("postgres", "postgres", causes=("sink_blocked", "recovering", "crash_loop", "checkpoints_failing")),
    CheckpointDiskFull("flink", "job", causes=("checkpoints_failing", "crash_loop", "recovering")),
)
