"""A project's commands, on an engine that only writes down what it is asked."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.containers import project as module
from infra.containers.engine import Engine, build_secrets, find
from infra.containers.project import BASE, OWN_BASE, Project
from infra.containers.site import Site
from infra.containers.subnet import choose
from infra.local.errors import SetupError

SITE = Site("pi3", "localhost/pi3:latest", Path("/run/engine.sock"), 10001)
Answers = dict[str, str]
MakeProject = Callable[[Answers], Project]


@pytest.fixture
def make(tmp_path: Path) -> MakeProject:
    """A project on a `docker` that answers by the beginning of what it is asked; `!` is a failure."""

    def project(answers: Answers) -> Project:
        script = tmp_path / "docker"
        cases = "".join(
            f'case "$*" in {pattern!r}*) {"exit 1" if told == "!" else f"echo {told!r}; exit 0"};; esac\n'
            for pattern, told in answers.items()
        )
        script.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/asked\n{cases}')
        script.chmod(0o755)
        environment = {"PATH": f"{tmp_path}:{os.defpath}"}
        return Project(Engine("docker", environment), SITE, tmp_path / "containers", {}, lambda _: None)

    return project


def asked(tmp_path: Path) -> list[str]:
    return (tmp_path / "asked").read_text().splitlines()


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the engine is found."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("answers", "base"),
    [
        ({}, BASE),
        ({f"image inspect {BASE}": "!"}, OWN_BASE),
        ({"image inspect": "!"}, BASE),
    ],
)
def test_a_base_that_is_here_is_not_pulled(answers: Answers, base: str, make: MakeProject, tmp_path: Path) -> None:
    assert make(answers).prepared()[1] == base
    assert ("pull" in " ".join(asked(tmp_path))) == ("image inspect" in answers)


def test_without_a_base_one_line_says_what_to_do(make: MakeProject) -> None:
    with pytest.raises(SetupError, match="cannot be pulled: check the network"):
        make({"image inspect": "!", "pull": "!"}).prepared()


def test_what_dagster_started_goes_before_the_network(make: MakeProject, tmp_path: Path) -> None:
    make({"ps --all": "run-1"}).down()
    did = [line.split()[0] for line in asked(tmp_path)]
    assert did.index("rm") < did.index("compose")
    assert any(line.endswith("down") for line in asked(tmp_path))


def test_only_clean_removes_the_volumes(make: MakeProject, tmp_path: Path) -> None:
    make({}).down(keep_data=False)
    assert any(line.endswith("down --volumes") for line in asked(tmp_path))


def test_a_service_that_stays_ill_is_named(make: MakeProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEALTHY_TIMEOUT_S", 0.1)
    with pytest.raises(SetupError, match="pi3_kafka_1 is not healthy: see `docker logs pi3_kafka_1`"):
        make({"ps": "pi3_kafka_1", "inspect": "starting"}).up()


def test_ports_are_kept_while_the_containers_run(make: MakeProject, tmp_path: Path) -> None:
    chosen = make({}).ports()
    saved = tmp_path / "containers" / "ports.json"
    saved.write_text(json.dumps({**json.loads(saved.read_text()), "dagster": 1_234}))
    assert make({"ps": "id"}).ports().dagster == 1_234
    assert chosen.dagster != 1_234


def test_a_command_in_a_container_that_does_not_run_says_so(make: MakeProject) -> None:
    with pytest.raises(SetupError, match="no container of code runs"):
        make({}).within("code", "true")


@pytest.mark.parametrize(
    ("of_own", "of_others", "expected"),
    [
        ("", "", "10.93.57"),
        ('"Subnet": "10.93.60.0/24"', '"subnet": "10.93.57.0/24"', "10.93.60"),
        ("", '"subnet": "10.93.57.0/24"', "10.93.58"),
    ],
)
def test_a_network_keeps_its_subnet(of_own: str, of_others: str, expected: str, make: MakeProject) -> None:
    answers = {"network inspect pi3_pipeline": of_own or "!", "network ls": "other", "network inspect other": of_others}
    assert choose(make(answers).engine, "pi3_pipeline", "10.93.57") == expected


def test_a_machine_without_an_engine_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(SetupError, match="install Podman"):
        find({})


def test_the_build_reads_only_files_that_are_there() -> None:
    assert all(path.exists() for path in build_secrets().values())
