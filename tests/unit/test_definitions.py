"""What Dagster loads: a snapshot of it, and what loading it must not drag in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg

from orchestration.definitions import defs
from orchestration.settings import REPOSITORY

SNAPSHOT = Path(__file__).with_name("definitions.json")


def described() -> dict[str, Any]:
    """Names, graph, and what each asset says of itself, as plain JSON."""
    loaded = dg.Definitions.merge(defs())
    repository = loaded.get_repository_def()
    graph = repository.asset_graph
    return {
        "assets": {
            key.to_user_string(): {
                "group": graph.get(key).group_name,
                "kinds": sorted(graph.get(key).kinds),
                "owners": list(graph.get(key).owners),
                "parents": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
                "checks": sorted(check.name for check in graph.get(key).check_keys),
                "partitioned": graph.get(key).is_partitioned,
            }
            for key in sorted(graph.get_all_asset_keys())
        },
        "jobs": sorted(name for name in repository.job_names if not name.startswith("__")),
        "schedules": {d.name: d.default_status.value for d in repository.schedule_defs},
        "sensors": {d.name: d.default_status.value for d in repository.sensor_defs},
    }


def test_definitions_match_the_snapshot() -> None:
    """After an intended change, write the new snapshot: python -m tests.unit.test_definitions."""
    assert described() == json.loads(SNAPSHOT.read_text())


def test_every_asset_says_what_it_is() -> None:
    graph = dg.Definitions.merge(defs()).get_repository_def().asset_graph
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.group_name != "default", key
        assert node.kinds, key
        assert node.owners, key


def test_loading_the_definitions_imports_neither_pyflink_nor_confluent_kafka() -> None:
    program = (
        "import sys; from orchestration.definitions import defs; defs();"
        "print([name for name in ('pyflink', 'confluent_kafka', 'py4j') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(described(), indent=2) + "\n")
