"""What can happen to any server process: a blow, a pause, a time without it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

from orchestration.errors import TransientError
from tests.faults.fault import Fault, Since
from tests.faults.site import Site

Sign = Callable[[Site], bool]


def stands_still(site: Site) -> bool:
    """No row has landed for three seconds, which at the load's rate is long."""
    return site.stands_still()


def rest_is_down(site: Site) -> bool:
    """Flink's REST API does not answer."""
    try:
        site.flink.overview()
    except TransientError:
        return True
    return False


class ServerFault(Fault):
    """A fault of one server process; keyword arguments set the attributes of `Fault`."""

    def __init__(self, name: str, group: str, server: str, **traits: Any) -> None:  # noqa: ANN401
        self.name = name
        self.group = group
        self.server = server
        if unknown := traits.keys() - Fault.__annotations__.keys():
            raise TypeError(f"{name}: a fault has no {', '.join(unknown)}")
        vars(self).update(traits)


class Hit(ServerFault):
    """A deadly signal, once or several times; the supervisor starts the process again each time."""

    def __init__(
        self,
        name: str,
        group: str,
        server: str,
        number: signal.Signals = signal.SIGKILL,
        times: int = 1,
        **traits: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(name, group, server, **traits)
        self._number = number
        self._times = times
        self._pid = 0

    def inject(self, site: Site) -> None:
        """Signal; between two blows the process gets the time to come up."""
        for blow in range(self._times):
            if blow:
                site.servers.wait_until_replaced(self.server, self._pid)
                self.between(site)
            self._pid = site.signal(self.server, self._number)[0]

    def between(self, site: Site) -> None:
        """What to wait for before the next blow."""
        del site
        time.sleep(4.0)

    def bit(self, site: Site) -> bool:
        """The process is another one, or none."""
        return site.pids(self.server)[:1] != [self._pid]


class Pause(ServerFault):
    """SIGSTOP for the process and its descendants, then SIGCONT: sessions stay open and nothing answers."""

    def __init__(self, name: str, group: str, server: str, sign: Sign = stands_still, **traits: Any) -> None:  # noqa: ANN401
        super().__init__(name, group, server, **traits)
        self._sign = sign

    def inject(self, site: Site) -> None:
        """Stop it, the parent first."""
        site.signal(self.server, signal.SIGSTOP, family=True)

    def bit(self, site: Site) -> bool:
        """The sign, such as that no rows land."""
        return self._sign(site)

    def end(self, site: Site) -> None:
        """Let it go on."""
        if site.pids(self.server):
            site.signal(self.server, signal.SIGCONT, family=True)


class Down(ServerFault):
    """Stopped in its orderly way, and started again after a time."""

    def inject(self, site: Site) -> None:
        """Returns when it has ended."""
        site.servers.stop(self.server)

    def bit(self, site: Site) -> bool:
        """It does not run."""
        return not site.pids(self.server)

    def end(self, site: Site) -> None:
        """Let the supervisor start it."""
        site.servers.start(self.server)


class ControlPlaneHit(Hit):
    """A blow at a server of Dagster: the stream must not notice, and Dagster must work again."""

    standstill_limit_s = 5.0

    def recovered(self, site: Site, since: Since) -> float | None:
        """When the heartbeat ticked again: that takes the daemon, the code server and, to be seen, the webserver."""
        try:
            ticked_at = site.last_tick("heartbeat_sensor")
        except TransientError:
            return None
        return ticked_at if ticked_at > since.ended_at else None
