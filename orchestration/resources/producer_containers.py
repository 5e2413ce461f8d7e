"""Producers as containers beside ours, by Docker's API, which Podman has too (DOCKER_HOST says where).

A container's name is that of its launch, so there is never a second. Below `<run_dir>/producers`, on a volume that it
shares with us, lie its report and a mark that it was launched (`.container`).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import docker
import docker.errors
from docker.models.containers import Container

from orchestration.errors import ConfigurationError, TransientError
from orchestration.resources.producer import ProducerResource

LABEL: Final = "pi3.producer"
ENGINE_TIMEOUT_S: Final = 20


@dataclass(frozen=True, kw_only=True)
class ProducerContainers(ProducerResource):
    """`prefix` begins the containers' names; `container` is what they are made from, as docker-py takes it."""

    prefix: str
    image: str
    container: dict[str, Any]

    def _launches(self) -> Sequence[str]:
        return self._marked(".container")

    def _alive(self) -> Collection[str]:
        return self._running().keys()

    def _start(self, name: str, arguments: Sequence[str]) -> None:
        with _engine_errors():
            # One that is there was left by a launcher that was killed before it could leave its mark.
            if self._find(name) is None:
                self._client.containers.run(
                    self.image,
                    ["python", *arguments],
                    name=f"{self.prefix}{name}",
                    labels={**self.container.get("labels", {}), LABEL: name},
                    detach=True,
                    **{key: value for key, value in self.container.items() if key != "labels"},
                )
        (self._folder() / f"{name}.container").touch()

    def _end(self, names: Collection[str], timeout_s: float) -> int:
        asked = [container for name, container in self._running().items() if name in names]
        deadline = time.monotonic() + timeout_s
        with _engine_errors():
            for container in asked:
                container.kill("SIGTERM")
            while self._running().keys() & set(names) and time.monotonic() < deadline:
                time.sleep(0.2)
            alive = self._running().keys()
            for container in self._ours(ended=True):
                if container.labels[LABEL] not in alive:
                    container.remove()
        return len(alive & set(names))

    def _log(self, name: str) -> str:
        with _engine_errors():
            container = self._find(name)
            return container.logs(tail=20).decode(errors="replace") if container else ""

    @cached_property
    def _client(self) -> docker.DockerClient:
        return docker.from_env(timeout=ENGINE_TIMEOUT_S)

    def _find(self, name: str) -> Container | None:
        try:
            return self._client.containers.get(f"{self.prefix}{name}")
        except docker.errors.NotFound:
            return None

    def _running(self) -> dict[str, Container]:
        with _engine_errors():
            return {container.labels[LABEL]: container for container in self._ours(ended=False)}

    def _ours(self, *, ended: bool) -> list[Container]:
        found: list[Container] = self._client.containers.list(all=ended, filters={"label": LABEL}, ignore_removed=True)
        return [container for container in found if container.name.startswith(self.prefix)]


@contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise ConfigurationError(
            f"the image of the producers is missing ({error.explanation}): run `make containers`, or set "
            "PI3_CONTAINERS_IMAGE to one that is there"
        ) from error
    except (docker.errors.DockerException, OSError) as error:
        raise TransientError(
            f"the container engine does not do what it is asked ({error}): try again; if it stays so, check that its "
            "API is served where DOCKER_HOST says"
        ) from error
