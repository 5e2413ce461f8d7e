"""Faults of the links: each pair of servers, with the link between them cut, slow or dead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from orchestration.errors import TransientError
from tests.faults.checks import sensor_selector
from tests.faults.fault import Fault, Since, Unavailable
from tests.faults.process_faults import stands_still
from tests.faults.proxy import Link
from tests.faults.site import Site

# A round trip of 200 ms, and a fraction of the bytes that the load needs.
SLOW_DELAY_S: Final = 0.1
SLOW_BYTES_PER_S: Final = 200_000
# At the suite's load a row lands within two seconds or so of its event.
BEHIND_S: Final = 5.0
HEARTBEAT: Final = "heartbeat_sensor"

NEWEST_AGE: Final = """
    SELECT extract(EPOCH FROM now() - max(produced_at))::float8
    FROM (SELECT produced_at FROM events ORDER BY id DESC LIMIT 5000) AS newest
"""
BEATS: Final = """
query Beats($sensor: SensorSelector!, $after: Float!) {
  sensorOrError(sensorSelector: $sensor) {
    ... on Sensor { sensorState { ticks(afterTimestamp: $after) { timestamp endTimestamp } } }
  }
}"""


@dataclass(frozen=True)
class Kind:
    """A way in which a link can be bad, and for how long it is."""

    name: str
    duration_s: float
    strike: Callable[[Link], None]


CUT: Final = Kind("cut", 20.0, Link.cut)
SLOW: Final = Kind("slow", 30.0, lambda link: link.slow(SLOW_DELAY_S, SLOW_BYTES_PER_S))
DEAD: Final = Kind("dead", 30.0, Link.stall)
KINDS: Final = (CUT, SLOW, DEAD)


class LinkFault(Fault):
    """The link of the pair, `client-server`, is bad in one way; keyword arguments set the attributes of `Fault`."""

    group = "link"

    def __init__(self, pair: str, kind: Kind, **traits: Any) -> None:  # noqa: ANN401
        self.pair = pair
        self.kind = kind
        self.duration_s = kind.duration_s
        self.name = f"link-{pair}-{kind.name}-{kind.duration_s:.0f}s"
        vars(self).update(traits)

    def setup(self, site: Site) -> None:
        """Raises Unavailable where the stack was started without proxies."""
        if self.pair not in site.proxies:
            raise Unavailable(f"no proxy between {self.pair}")

    def inject(self, site: Site) -> None:
        """Strike it."""
        self.kind.strike(site.proxies[self.pair])

    def end(self, site: Site) -> None:
        """Whole again, at once."""
        site.proxies[self.pair].heal()


class StreamLink(LinkFault):
    """A link that the events pass on their way."""

    def bit(self, site: Site) -> bool:
        """No row lands; or, over a slow link, rows land late."""
        if self.kind is not SLOW:
            return stands_still(site)
        return float(site.execute(NEWEST_AGE)[0][0]) > BEHIND_S


class ClusterLink(StreamLink):
    """The link between Flink's own processes; a slow one delays checkpoints, and no rows."""

    def __init__(self, pair: str, kind: Kind, **traits: Any) -> None:  # noqa: ANN401
        super().__init__(pair, kind, **traits)
        self._usual_s = 0.0
        self._last_id = 0

    def setup(self, site: Site) -> None:
        """How long a checkpoint takes."""
        super().setup(site)
        self._last_id, self._usual_s = self._newest_checkpoint(site)

    def bit(self, site: Site) -> bool:
        """A checkpoint took longer by a message's way to the tasks and back."""
        if self.kind is not SLOW:
            return super().bit(site)
        number, took_s = self._newest_checkpoint(site)
        return number > self._last_id + 1 and took_s > self._usual_s + 2 * SLOW_DELAY_S

    @staticmethod
    def _newest_checkpoint(site: Site) -> tuple[int, float]:
        newest = site.flink.checkpoints(site.active_jobs()[0].id).latest_completed
        return (newest.id, (newest.completed_at_ms - newest.triggered_at_ms) / 1000) if newest else (0, 0.0)


class ControlLink(LinkFault):
    """A link of the control plane: it cannot see or act, and the stream goes on."""

    standstill_limit_s = 5.0
    recovery_goal_s = 30.0

    def __init__(self, pair: str, kind: Kind, **traits: Any) -> None:  # noqa: ANN401
        super().__init__(pair, kind, **traits)
        self._usual_s = 0.0
        self._injected_at = 0.0

    def setup(self, site: Site) -> None:
        """How long a heartbeat takes."""
        super().setup(site)
        self._usual_s = min(_beats_s(site, after=0.0), default=0.0)

    def inject(self, site: Site) -> None:
        """Strike it between two heartbeats."""
        self._injected_at = site.last_tick(HEARTBEAT)
        super().inject(site)

    def bit(self, site: Site) -> bool:
        """The heartbeat says what is out of reach; or, over a slow link, every beat takes longer."""
        if self.kind is SLOW:
            return min(_beats_s(site, self._injected_at), default=0.0) > self._usual_s + 2 * SLOW_DELAY_S
        newest = site.check("stream_healthy")
        return newest is not None and newest.at > self._injected_at and not newest.passed

    def recovered(self, site: Site, since: Since) -> float | None:
        """When a heartbeat had looked at all servers again and found the stream well."""
        try:
            newest, beat_at = site.check("stream_healthy"), site.last_tick(HEARTBEAT)
        except TransientError:
            return None
        well = newest is None or newest.passed
        return beat_at if well and beat_at > since.ended_at else None


def _beats_s(site: Site, after: float) -> list[float]:
    """How long each heartbeat took that began after a Unix time."""
    found = site.api.ask(BEATS, {"sensor": sensor_selector(HEARTBEAT), "after": after})["sensorOrError"]["sensorState"][
        "ticks"
    ]
    return [beat["endTimestamp"] - beat["timestamp"] for beat in found if beat["endTimestamp"]]


def _seen(*causes: str) -> dict[str, Any]:
    return {"red": "stream_healthy", "causes": causes}


# A link of the events is missed when nothing has got on for `landing_patience_s`, 20 s, unless its client complains.
FAULTS: Final[tuple[Fault, ...]] = (
    StreamLink("flink-kafka", CUT),
    StreamLink("flink-kafka", SLOW),
    StreamLink("flink-kafka", DEAD, **_seen("stuck")),
    StreamLink("flink-postgres", CUT, **_seen("sink_blocked", "recovering", "crash_loop", "checkpoints_failing")),
    StreamLink("flink-postgres", SLOW),
    StreamLink("flink-postgres", DEAD, **_seen("sink_blocked", "checkpoints_failing", "stuck", "recovering")),
    *(StreamLink("producer-kafka", kind) for kind in KINDS),
    *(ControlLink("dagster-kafka", kind, **_seen("source_unreachable")) for kind in (CUT, DEAD)),
    *(ControlLink("dagster-postgres", kind, **_seen("sink_blocked")) for kind in (CUT, DEAD)),
    *(ControlLink("dagster-flink", kind, **_seen("unreachable")) for kind in (CUT, DEAD)),
    *(ControlLink(f"dagster-{server}", SLOW) for server in ("kafka", "postgres", "flink")),
    ClusterLink("taskmanager-jobmanager", CUT, **_seen("recovering", "crash_loop")),
    ClusterLink("taskmanager-jobmanager", SLOW),
    ClusterLink("taskmanager-jobmanager", DEAD, **_seen("recovering", "crash_loop")),
)
