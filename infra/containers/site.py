"""Which networks, volumes and rights a container gets that is started beside those of compose.yaml.

Pure values, in the words of docker-py's `containers.create`; Dagster's launcher takes them from its configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# Of the containers, as the Containerfile lays them out.
ROOT: Final = Path("/var/lib/pi3")
ENGINE_SOCKET: Final = Path("/run/pi3/engine.sock")
# All that may be written besides the volumes; it goes with the container.
SCRATCH: Final = ("/tmp", f"{ROOT}/conf", f"{ROOT}/log", f"{ROOT}/data/flink-tmp")  # noqa: S108 - of the container
RUN_STOP_TIMEOUT_S: Final = 120

# Named each time: what Podman takes by itself when asked by its API may be more than the kernel grants.
LIMITS: Final = [{"name": name, "soft": 20_000, "hard": 20_000} for name in ("nofile", "nproc")]

# The servers' last numbers within the subnet, as compose.yaml has them.
ADDRESSES: Final = {"kafka": 11, "postgres": 12, "jobmanager": 13, "code": 14, "webserver": 15}

CONFINED: Final[dict[str, Any]] = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "ulimits": LIMITS,
    "tmpfs": dict.fromkeys(SCRATCH, "mode=1777"),
}


@dataclass(frozen=True)
class Site:
    """One compose project. `socket` is the engine's, as the host names it; `socket_gid` the group that may use it;
    `subnet` the three numbers that the addresses of its network begin with.
    """

    project: str
    image: str
    socket: Path
    socket_gid: int
    subnet: str = "10.93.57"

    def name(self, of: str) -> str:
        """A container's name within the project."""
        return f"{self.project}-{of}"

    def network(self) -> str:
        """The network of the servers, as compose names it."""
        return f"{self.project}_pipeline"

    def hosts(self) -> dict[str, str]:
        """The servers' addresses by name, for which no name server is asked."""
        return {name: f"{self.subnet}.{number}" for name, number in ADDRESSES.items()}

    def producer(self) -> dict[str, Any]:
        """A producer reaches the broker, and writes its report; it has no password and no engine."""
        return {
            **CONFINED,
            "extra_hosts": self.hosts(),
            "network": self.network(),
            "volumes": [self._volume("run", ROOT / "run")],
            "labels": self._labels(),
        }

    def run(self) -> dict[str, Any]:
        """A Dagster run may do what the code server may: it launches jobs and producers."""
        return {
            **CONFINED,
            "extra_hosts": self.hosts(),
            "auto_remove": True,
            "group_add": [str(self.socket_gid)],
            "volumes": [
                self._volume("passwords", ROOT / "secrets", "ro"),
                self._volume("run", ROOT / "run"),
                self._volume("flink", ROOT / "data" / "flink"),
                self._volume("dagster", ROOT / "data" / "dagster"),
                f"{self.socket}:{ENGINE_SOCKET}",
            ],
            "labels": self._labels(),
            # Until a terminated run is killed: to stop with a savepoint takes longer than Docker's 10 s.
            "stop_timeout": RUN_STOP_TIMEOUT_S,
        }

    def _labels(self) -> dict[str, str]:
        return {PROJECT_LABEL: self.project}

    def _volume(self, name: str, place: Path, mode: str = "rw") -> str:
        return f"{self.project}_{name}:{place}:{mode}"


PROJECT_LABEL: Final = "pi3.project"
