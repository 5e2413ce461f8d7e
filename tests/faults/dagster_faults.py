"""Faults of the control plane, and of everything at once."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Final

from tests.faults.fault import Fault
from tests.faults.flink_faults import NewJobNeeded, cancel_job
from tests.faults.process_faults import ControlPlaneHit
from tests.faults.site import Site, wait_for

_CODE: Final = "dagster-code"
_SUBMIT_TIMEOUT_S: Final = 60.0


class CodeServerKilledDuringSubmit(NewJobNeeded):
    """The code server dies, and the run with it, while the program that submits the job is at work."""

    name = "code-server-kill-during-submit"
    group = "dagster"
    recovery_goal_s = 60.0

    def __init__(self) -> None:
        self._killed: list[int] = []

    def inject(self, site: Site) -> None:
        """Cancel the job, launch it, and kill all of them but the submitting program, which nobody watches now."""
        cancel_job(site)
        site.launch("start_pipeline")
        if not wait_for(lambda: bool(site.servers.submitters()), _SUBMIT_TIMEOUT_S, 0.05):
            raise RuntimeError("start_pipeline started no program to submit the job")
        submitters = site.servers.submitters()
        self._killed = [pid for pid in site.pids(_CODE) if pid not in submitters]
        for pid in self._killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def bit(self, site: Site) -> bool:
        """It is another process."""
        return bool(self._killed) and self._killed[0] not in site.pids(_CODE)


class EverythingKilled(NewJobNeeded):
    """Every process of the stack, the supervisor too; then the stack is started by its own command."""

    name = "everything-killed"
    group = "everything"
    recovery_goal_s = 120.0

    def __init__(self) -> None:
        self._killed = 0

    def inject(self, site: Site) -> None:
        """The supervisor first, which would start them again."""
        self._killed = site.servers.kill_everything()
        time.sleep(1.0)

    def bit(self, site: Site) -> bool:
        """Nobody is left."""
        return self._killed >= 8 and not site.stack.states()

    def end(self, site: Site) -> None:
        """What `make run` does first; the job must come back without being asked for."""
        site.stack.start()
        site.api.wait_for_location()


FAULTS: Final[tuple[Fault, ...]] = (
    ControlPlaneHit("dagster-daemon-kill", "dagster", "dagster-daemon", recovery_goal_s=30.0),
    ControlPlaneHit("dagster-webserver-kill", "dagster", "dagster-webserver", recovery_goal_s=30.0),
    ControlPlaneHit("dagster-code-server-kill", "dagster", _CODE, recovery_goal_s=30.0),
    CodeServerKilledDuringSubmit(),
    EverythingKilled(),
)
