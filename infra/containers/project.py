"""The containers of one project: brought up, looked at, and taken down."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from infra.containers import podman, subnet
from infra.containers.engine import FOLDER, Engine
from infra.containers.site import PROJECT_LABEL, Site
from infra.local import ports
from infra.local.errors import SetupError
from infra.local.supervisor import wait_until

BASE: Final = "debian:bookworm-20250520-slim"
COMPOSE_LABEL: Final = "com.docker.compose.project"
OWN_BASE: Final = "localhost/pi3-base:bookworm"
HEALTHY_TIMEOUT_S: Final = 180.0


@dataclass(frozen=True)
class Project:
    """`folder` is where the engine's configuration, its socket and the chosen ports lie."""

    engine: Engine
    site: Site
    folder: Path
    fixed_ports: dict[str, int]
    say: Callable[[str], None] = print

    def prepared(self) -> tuple[Project, str]:
        """The same, with an engine that works on this machine; and the base image.

        Raises:
            SetupError: the engine runs no container, or there is no base image.
        """
        base = self._base()
        if self.engine.program != "podman":
            return self, base
        return replace(self, engine=podman.configure(self.engine, self.folder, base, self.say)), base

    def configured(self) -> Project:
        """The same, with the engine as `up` has configured it."""
        if self.engine.program != "podman":
            return self
        return replace(self, engine=podman.configured(self.engine, self.folder))

    def up(self) -> ports.Ports:
        """Build the image, start every service, and wait until each is healthy; returns the ports of the UIs.

        Raises:
            SetupError: a step failed, or a service does not get healthy in time.
        """
        ready, base = self.prepared()
        self.say(f"building {self.site.image} on {base}")
        ready.engine.build(self.site.image, base)
        ready, anew = ready.with_socket()
        chosen = ready.ports()
        self.say("starting the containers")
        if anew or ready._outdated():
            ready._take_down()
        ready.compose("up", "--detach")
        ready._wait_until_healthy()
        return chosen

    def with_socket(self) -> tuple[Project, bool]:
        """The same, with the engine's socket; and whether containers that know an older one have to be made anew."""
        if self.engine.program != "podman":
            return self, False
        socket, anew = podman.serve(self.engine, self.folder)
        gid = podman.GROUP if os.geteuid() == 0 else 0
        return replace(self, site=replace(self.site, socket=socket, socket_gid=gid)), anew

    def compose(self, *arguments: str) -> None:
        """Run a command of compose's on this project.

        Raises:
            SetupError: it failed.
        """
        chosen = self.ports()
        self.engine.show(
            (*self.engine.compose(), "-p", self.site.project, "-f", str(FOLDER / "compose.yaml"), *arguments),
            advice=f"compose {arguments[0]} failed: its words are above",
            COMPOSE_PROJECT_NAME=self.site.project,
            IMAGE=self.site.image,
            ENGINE_SOCKET=str(self.site.socket),
            ENGINE_GID=str(self.site.socket_gid),
            DAGSTER_PORT=str(chosen.dagster),
            FLINK_PORT=str(chosen.flink_rest),
            SUBNET=subnet.choose(self.engine, self.site.network(), self.site.subnet),
        )

    def down(self, *, keep_data: bool = True) -> None:
        """Remove the containers, those that Dagster started included, and with `keep_data` False the volumes.

        Raises:
            SetupError: compose failed.
        """
        self._remove(f"label={PROJECT_LABEL}={self.site.project}")
        self._take_down(*(() if keep_data else ("--volumes",)))
        if self.engine.program == "podman":
            podman.end_service(self.folder)

    def container(self, service: str) -> str | None:
        """Id of the container of a service; None if there is none that runs."""
        named = f"label=com.docker.compose.service={service}"
        return next(iter(self.engine.ask("ps", "--quiet", "--filter", self._services, "--filter", named)), None)

    def containers(self) -> dict[str, bool]:
        """Whether each is healthy, by the names of the containers that run."""
        names = self.engine.ask("ps", "--filter", self._services, "--format", "{{.Names}}")
        return {name: self.engine.is_healthy(name) for name in sorted(names)}

    def within(self, service: str, *command: str) -> int:
        """Run a command in a service's container with its output shown; returns its exit code.

        Raises:
            SetupError: the container does not run.
        """
        if (container := self.container(service)) is None:
            raise SetupError(f"no container of {service} runs: `make containers` starts them")
        return self.engine.call("exec", container, *command)

    def ports(self) -> ports.Ports:
        """Those of the UIs: as saved while the containers run, else the usual or free ones."""
        file = self.folder / "ports.json"
        saved: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        if saved and self.container("webserver"):
            return ports.Ports(**saved)
        chosen = ports.choose(self.fixed_ports, saved)
        self.folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(chosen)))
        return chosen

    def _take_down(self, *flags: str) -> None:
        """A server that is started again and again may slip through, and then its network stays too."""
        self.compose("down", *flags)
        if self._remove(self._services):
            self.compose("down", *flags)

    def _remove(self, which: str) -> bool:
        found = self.engine.ask("ps", "--all", "--quiet", "--filter", which)
        if found:
            self.engine.ask("rm", "--force", *found)
        return bool(found)

    def _outdated(self) -> bool:
        """Whether a container runs of an image that was built anew since; Podman's compose does not look."""
        if self.engine.program != "podman":
            return False
        (newest,) = self.engine.ask("image", "inspect", "--format", "{{.Id}}", self.site.image)
        running = self.engine.ask("ps", "--filter", self._services, "--format", "{{.ImageID}}")
        return not all(newest.removeprefix("sha256:").startswith(image) for image in running)

    @property
    def _services(self) -> str:
        """Filter of the containers of compose.yaml."""
        return f"label={COMPOSE_LABEL}={self.site.project}"

    def _base(self) -> str:
        for name in (BASE, OWN_BASE):
            if self.engine.has_image(name):
                return name
        self.say(f"pulling {BASE}")
        if self.engine.run("pull", "--quiet", BASE).returncode == 0:
            return BASE
        if self.engine.program != "podman" or os.geteuid() != 0 or not shutil.which("debootstrap"):
            raise SetupError(
                f"{BASE} cannot be pulled: check the network; or, where nothing can be pulled, install Podman and "
                "debootstrap and run this as root, and the base is made from Debian's packages"
            )
        self.say("nothing can be pulled here: making the base from Debian's packages")
        self.engine.show((str(FOLDER / "base.sh"), OWN_BASE), advice="debootstrap failed: its words are above")
        return OWN_BASE

    def _wait_until_healthy(self) -> None:
        started = time.monotonic()
        waiting = set(self.containers())

        def all_healthy() -> bool:
            for name in [name for name in sorted(waiting) if self.engine.is_healthy(name)]:
                self.say(f"{name} healthy after {time.monotonic() - started:.0f} s")
                waiting.discard(name)
            return not waiting

        if not wait_until(all_healthy, HEALTHY_TIMEOUT_S):
            name = min(waiting)
            raise SetupError(f"{name} is not healthy: see `{self.engine.program} logs {name}`")
