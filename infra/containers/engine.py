"""The container engine of this machine: Podman, or else Docker, by its command."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.local.errors import SetupError, in_one_line
from infra.local.paths import REPOSITORY

FOLDER: Final = REPOSITORY / "infra" / "containers"
PACKAGES: Final = "podman netavark aardvark-dns iptables runc"
# Where pip looks, the nearest first.
PIP_CONFIGURATIONS: Final = (Path("~/.config/pip/pip.conf"), Path("~/.pip/pip.conf"), Path("/etc/pip.conf"))


@dataclass(frozen=True)
class Engine:
    """`program` is `podman` or `docker`; each command gets `environment`."""

    program: str
    environment: Mapping[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the engine's, whatever comes of it."""
        return subprocess.run(
            (self.program, *arguments), env=dict(self.environment), capture_output=True, text=True, check=False
        )

    def ask(self, *arguments: str) -> list[str]:
        """The lines that a command prints.

        Raises:
            SetupError: it failed; the message has its own words.
        """
        done = self.run(*arguments)
        if done.returncode:
            raise SetupError(f"{self.program} {arguments[0]} failed: {in_one_line(done.stderr)}")
        return done.stdout.split()

    def call(self, *arguments: str) -> int:
        """Run a command of the engine's with its output shown; returns its exit code."""
        return subprocess.run((self.program, *arguments), env=dict(self.environment), check=False).returncode

    def show(self, command: Sequence[str], *, advice: str, **variables: str) -> None:
        """Run a command that may take long, and let its output be seen.

        Raises:
            SetupError: it failed; the message is the advice.
        """
        environment = {**self.environment, **variables}
        if subprocess.run(command, env=environment, cwd=REPOSITORY, check=False).returncode:
            raise SetupError(advice)

    def has_image(self, name: str) -> bool:
        """Whether the image is here."""
        return self.run("image", "inspect", name).returncode == 0

    def build(self, image: str, base: str) -> None:
        """Build the image; a layer that is there is not made again.

        Raises:
            SetupError: a step failed.
        """
        secrets = [part for name, path in build_secrets().items() for part in ("--secret", f"id={name},src={path}")]
        command = ("build", "--quiet", "--file", str(FOLDER / "Containerfile"), "--build-arg", f"BASE={base}")
        self.show(
            (self.program, *command, *secrets, "--tag", image, str(REPOSITORY)),
            advice=f"{image} could not be built: the step that failed is above; what was built so far is kept",
        )

    def compose(self) -> tuple[str, ...]:
        """The start of a compose command."""
        if self.program == "podman":
            return (sys.executable, "-W", "ignore", "-m", "podman_compose")
        return ("docker", "compose")

    def is_healthy(self, container: str) -> bool:
        """Whether its health check succeeds. Podman is asked to do it now: without systemd it does none by itself."""
        if self.program == "podman":
            return self.run("healthcheck", "run", container).returncode == 0
        return self.ask("inspect", "--format", "{{.State.Health.Status}}", container) == ["healthy"]


def find(environment: Mapping[str, str]) -> Engine:
    """The engine that is installed.

    Raises:
        SetupError: none is.
    """
    for program in ("podman", "docker"):
        if shutil.which(program):
            return Engine(program, environment)
    raise SetupError(f"no container engine: install Podman (on Debian: {PACKAGES}), or Docker")


def build_secrets() -> dict[str, Path]:
    """What the build may read and no layer keeps: this machine's certificates, and how pip is configured."""
    certificates = ssl.get_default_verify_paths().cafile
    found = {"ca": Path(certificates)} if certificates else {}
    pip = next((path.expanduser() for path in PIP_CONFIGURATIONS if path.expanduser().exists()), None)
    return {**found, "pip": pip} if pip else found
