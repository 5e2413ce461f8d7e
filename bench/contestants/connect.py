"""A standalone worker of Kafka Connect."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from string import Template
from typing import Any, Final

import requests

from bench import jars
from bench.own_stack import Site
from bench.processes import Program, ProgramEndedError
from infra.local import java
from infra.local.kafka import LOG4J
from infra.local.ports import LOOPBACK, any_free_port

__all__ = ["Worker", "cause"]

PROPERTIES: Final = Path(__file__).parents[1] / "programs" / "connect.properties"
START_S: Final = 60.0
CHECK_S: Final = 1.0


class Worker(Program):
    """A standalone worker of Kafka Connect, by its REST API."""

    def __init__(self, site: Site) -> None:
        paths, port = site.stack.paths, any_free_port()
        jars.link(paths, jars.CONNECT)
        values = {
            "bootstrap_servers": site.settings.kafka_bootstrap_servers,
            "port": port,
            "plugins": jars.link(paths, jars.DEBEZIUM).parent,
            "offsets": paths.run / "connect.offsets",
        }
        properties = paths.conf / "connect.properties"
        properties.write_text(Template(PROPERTIES.read_text("utf-8")).substitute(values))
        logging = paths.conf / "connect-log4j2.yaml"
        logging.write_text(LOG4J)
        options = ("-Xmx1g", f"-Dlog4j2.configurationFile={logging}")
        main = ("org.apache.kafka.connect.cli.ConnectStandalone", str(properties))
        super().__init__("connect", (*java.java(paths, jars.CONNECT, *options), *main), site.folder / "connect.log")
        self._url = f"http://{LOOPBACK}:{port}/connectors"
        self._connector = ""
        self._checked_at = 0.0

    def wait_until_ready(self) -> None:
        """Raises: ProgramEndedError, TimeoutError."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            super().check()
            with suppress(requests.RequestException):
                if requests.get(self._url, timeout=5).ok:  # at first it listens and knows of no connectors
                    return
            time.sleep(0.5)
        raise TimeoutError(f"Kafka Connect was not ready within {START_S:.0f} s")

    def begin(self, connector: str, config: Mapping[str, str]) -> None:
        """Create a connector."""
        self._connector = connector
        self._call("POST", "", {"name": connector, "config": dict(config)})

    def end(self) -> None:
        """Delete it."""
        self._call("DELETE", f"/{self._connector}")
        self._connector = ""

    def check(self) -> None:
        """Also raises ProgramEndedError if a task of the connector has failed; asks once a second."""
        super().check()
        if not self._connector or time.monotonic() < self._checked_at + CHECK_S:
            return
        self._checked_at = time.monotonic()
        for task in self._call("GET", f"/{self._connector}/status").get("tasks", ()):
            if task["state"] == "FAILED":
                raise ProgramEndedError(cause(task.get("trace", "")))

    def _call(self, method: str, path: str, body: Any = None) -> Any:  # noqa: ANN401 - JSON of many shapes
        answer = requests.request(method, self._url + path, json=body, timeout=30)
        if answer.status_code == requests.codes.not_found and method == "GET":
            return {}  # a connector that was just created
        answer.raise_for_status()
        return answer.json() if answer.content else None


def cause(trace: str) -> str:
    """The last cause that a Java stack trace names, in one line."""
    lines = [line for line in trace.splitlines() if line and not line[0].isspace()]
    return lines[-1].removeprefix("Caused by: ") if lines else "a task failed and said nothing"
