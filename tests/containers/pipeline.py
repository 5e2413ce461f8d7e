"""What the tests ask of the containers, by the engine and by the operator's command within them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from infra.containers.project import Project
from orchestration.cli.dagster_api import DagsterApi
from tests.acceptance.pipeline import wait_until

NAME = "pi3-test"
PATIENCE_S = 180.0


@dataclass(frozen=True)
class Pipeline:
    """The containers, and Dagster's API, which is published."""

    project: Project
    api: DagsterApi

    def told(self, *command: str) -> Any:  # noqa: ANN401 - JSON
        """What `pi3 … --json` says within the code server's container, whatever its exit code."""
        code = self.project.container("code")
        assert code is not None
        done = self.project.engine.run("exec", code, "python", "-W", "ignore", "-m", "orchestration.pi3", *command)
        assert done.stdout, f"pi3 {' '.join(command)} exits with {done.returncode} and says: {done.stderr}"
        return json.loads(done.stdout)

    def fates(self) -> dict[str, int]:
        """How many offsets have each fate, by the ledger; `waiting` are not accounted for yet."""
        rows: list[dict[str, int]] = self.told("ledger", "--json")["ledger"]
        counted = {name for row in rows for name in row} - {"partition", "from", "to"}
        return {name: sum(row[name] for row in rows) for name in counted}

    def verdicts(self) -> dict[str, str]:
        """The ledger's verdicts, by check."""
        return {row["check"]: row["verdict"] for row in self.told("ledger", "--json")["verdicts"]}

    def await_rows(self, more_than: int) -> None:
        """Wait until more events than that have landed and are accounted for."""
        wait_until(lambda: self.fates().get("landed", 0) > more_than, f"more than {more_than} rows", PATIENCE_S)

    def labelled(self, label: str) -> list[str]:
        """Names of the running containers with a label."""
        return self.project.engine.ask("ps", "--filter", f"label={label}", "--format", "{{.Names}}")

    def inspect(self, container: str) -> dict[str, Any]:
        """All that the engine knows of a container."""
        found: dict[str, Any] = json.loads(self.project.engine.run("inspect", container).stdout)[0]
        return found


def api_of(port: int) -> DagsterApi:
    """Dagster's API, once the definitions are loaded."""
    api = DagsterApi(f"http://127.0.0.1:{port}", timeout_s=30)
    api.wait_for_location()
    return api
