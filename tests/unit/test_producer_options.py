"""How a producer that Dagster launches gets the options of its client."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import SecretStr

from orchestration.resources.producer import ProducerResource, ProducerSpec

SECRET = "hunter2"  # noqa: S105


def flags(tmp_path: Path, options: dict[str, SecretStr]) -> dict[str, str]:
    """What `python -m producer` is started with."""
    resource = ProducerResource(str(tmp_path), str(tmp_path), "127.0.0.1:1", "t", options)
    assert SECRET not in repr(resource)
    return dict(flag.removeprefix("--").split("=", 1) for flag in resource._flags("p-1", ProducerSpec("p"), 0))


def test_options_go_by_a_private_file_and_not_by_an_argument(tmp_path: Path) -> None:
    found = flags(tmp_path, {"sasl.password": SecretStr(SECRET)})
    assert SECRET not in str(found)
    path = Path(found["client-options"])
    assert json.loads(path.read_text()) == {"sasl.password": SECRET}
    assert path.stat().st_mode & 0o777 == 0o600


def test_without_options_there_is_no_file(tmp_path: Path) -> None:
    assert "client-options" not in flags(tmp_path, {})
