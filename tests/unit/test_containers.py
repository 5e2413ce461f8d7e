"""The containers: what compose.yaml grants, and that what Dagster starts beside it fits it."""

from __future__ import annotations

import os
import socket
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster_docker import DockerRunLauncher

from infra.containers import health, podman, roles, subnet
from infra.containers.engine import FOLDER, PACKAGES, Engine
from infra.containers.site import ENGINE_SOCKET, LIMITS, SCRATCH, Site
from infra.local.errors import SetupError
from infra.local.paths import StackPaths
from orchestration.cli import serve
from orchestration.defs.resources import resources
from orchestration.resources.producer_containers import ProducerContainers
from orchestration.resources.producer_processes import ProducerProcesses
from orchestration.settings import Settings

SITE = Site("pi3", "localhost/pi3:latest", Path("/run/engine.sock"), 10001)
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def mounts(volumes: list[str]) -> dict[str, str]:
    """What is mounted, by its place in the container; a default of compose's taken for its variable."""
    resolved = (volume.replace("${ENGINE_SOCKET:-/var/run/docker.sock}", "engine") for volume in volumes)
    return {place: source for source, place in (volume.split(":")[:2] for volume in resolved)}


@pytest.fixture
def paths(tmp_path: Path) -> StackPaths:
    """The folders of a container."""
    found = StackPaths(tmp_path)
    found.make()
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges"]
    assert "privileged" not in service
    assert "user" not in service, "the image's, who is not root"
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    # As what is started beside them.
    assert service["ulimits"] == {limit["name"]: limit["hard"] for limit in LIMITS}
    assert {entry.split(":")[0] for entry in service["tmpfs"]} <= set(SCRATCH)


def test_the_two_uis_alone_are_published_and_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "jobmanager": ["127.0.0.1:${FLINK_PORT:-8081}:8081"],
        "webserver": ["127.0.0.1:${DAGSTER_PORT:-3000}:3000"],
    }
    pipeline = COMPOSE["networks"]["pipeline"]
    assert (pipeline["internal"], pipeline.keys()) == (True, {"internal", "ipam"})
    outside = {*published, "code"}
    assert {name: set(service["networks"]) for name, service in SERVICES.items()} == {
        name: {"pipeline", "outside"} if name in outside else {"pipeline"} for name in SERVICES
    }


def test_servers_are_found_without_a_name_server() -> None:
    default = "${SUBNET:-10.93.57}"
    told = {name: address.replace(default, SITE.subnet) for name, address in fixed_addresses().items()}
    assert told == SITE.hosts()
    for service in SERVICES.values():
        assert [host.replace(default, SITE.subnet) for host in service["extra_hosts"]] == [
            f"{name}:{address}" for name, address in SITE.hosts().items()
        ]
    assert SITE.run()["extra_hosts"] == SITE.producer()["extra_hosts"] == SITE.hosts()
    (pool,) = COMPOSE["networks"]["pipeline"]["ipam"]["config"]
    subnet, others = (IPv4Network(pool[key].replace(default, SITE.subnet)) for key in ("subnet", "ip_range"))
    assert all(IPv4Address(address) in subnet for address in told.values())
    assert not any(IPv4Address(address) in others for address in told.values()), "nobody else is given these"


def fixed_addresses() -> dict[str, str]:
    """Of the services that have one."""
    networks = {name: service["networks"] for name, service in SERVICES.items()}
    return {name: found["pipeline"]["ipv4_address"] for name, found in networks.items() if isinstance(found, dict)}


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ((), "10.93.57"),
        (("10.93.58.0/24", "192.168.0.0/16"), "10.93.57"),
        (("10.93.57.128/25",), "10.93.58"),
        (("10.93.0.0/18",), "10.93.64"),
        (("10.93.57.0/24", "10.93.58.0/23", "10.93.60.1/32"), "10.93.61"),
        (("10.93.57.0/24", "10.93.64.0/18", "10.93.128.0/17", "10.93.58.0/23", "10.93.60.0/22"), "10.93.0"),
    ],
)
def test_the_next_subnet_that_nobody_has_is_taken(taken: tuple[str, ...], expected: str) -> None:
    assert subnet.free("10.93.57", list(map(IPv4Network, taken))) == expected


def test_no_free_subnet_is_told_with_the_setting() -> None:
    with pytest.raises(SetupError, match="PI3_CONTAINERS_SUBNET"):
        subnet.free("10.93.57", [IPv4Network("10.0.0.0/8")])


def test_passwords_and_the_engine_are_with_those_who_need_them() -> None:
    by_source: dict[str, set[str]] = {}
    for name, service in SERVICES.items():
        for source in mounts(service.get("volumes", [])).values():
            by_source.setdefault(source, set()).add(name)
    assert by_source["passwords"] == {"postgres", "code"}
    assert by_source["superuser"] == {"postgres"}
    assert by_source["engine"] == {"code", "webserver", "daemon"}
    assert COMPOSE["volumes"].keys() == by_source.keys() - {"engine"}


def test_every_role_is_served() -> None:
    assert {tuple(service["command"]) for service in SERVICES.values()} == {
        ("python", "-m", "orchestration.cli.serve", role) for role in serve.ROLES
    }


def test_a_run_sees_what_the_code_server_sees() -> None:
    of_code = {
        place: "/run/engine.sock" if source == "engine" else f"pi3_{source}"
        for place, source in mounts(SERVICES["code"]["volumes"]).items()
    }
    assert mounts(SITE.run()["volumes"]) == of_code
    assert SITE.network() == "pi3_pipeline"
    assert "pi3_passwords:/var/lib/pi3/secrets:ro" in SITE.run()["volumes"]


def test_a_producer_has_no_password_and_no_engine() -> None:
    kwargs = SITE.producer()
    assert mounts(kwargs["volumes"]) == {"/var/lib/pi3/run": "pi3_run"}
    assert "group_add" not in kwargs
    assert (kwargs["read_only"], kwargs["cap_drop"]) == (True, ["ALL"])


def test_dagster_takes_the_launcher_as_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(dict(roles.instance(SITE, ["PI3_BACKEND"]))))
    launcher = InstanceRef.from_dir(str(tmp_path)).run_launcher
    assert isinstance(launcher, DockerRunLauncher)
    assert (launcher.networks, launcher.env_vars) == (["pi3_pipeline"], ["PI3_BACKEND"])
    assert str(ENGINE_SOCKET) in launcher.container_kwargs["volumes"][-1]


def test_the_broker_tells_its_clients_its_name(paths: StackPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", lambda *_, **__: pytest.fail("formatted again"))
    (paths.data / "kafka").mkdir()
    (paths.data / "kafka" / "meta.properties").touch()
    roles.broker(paths)
    written = dict(line.split("=", 1) for line in (paths.conf / "kafka.properties").read_text().splitlines())
    assert written["advertised.listeners"] == "PLAINTEXT://kafka:9092"
    assert written["listeners"] == "PLAINTEXT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093"


def test_flink_finds_its_jobmanager_by_name(paths: StackPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostbyname", lambda _: "10.0.0.9")
    program = roles.flink_process(paths, "flink-taskmanager")
    written = yaml.safe_load((paths.conf / "flink" / "config.yaml").read_text())
    assert program.name == "flink-taskmanager"
    assert (written["jobmanager.rpc.address"], written["jobmanager.bind-host"]) == ("jobmanager", roles.EVERYWHERE)
    assert written["taskmanager.host"] == "10.0.0.9"
    assert written["heartbeat.timeout"] == "10 s", "as in the local stack"


def test_dagster_waits_for_the_passwords(paths: StackPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "PATIENCE_S", 0.1)
    with pytest.raises(SetupError, match="does Postgres start"):
        roles.dagster_process(paths, "dagster-code", SITE, ())


@pytest.mark.parametrize(("backend", "kind"), [("processes", ProducerProcesses), ("containers", ProducerContainers)])
def test_one_setting_chooses_the_backend(backend: str, kind: type, tmp_path: Path) -> None:
    settings = Settings.model_validate({"backend": backend, "stack_dir": tmp_path})
    assert type(resources(settings)["producer"]) is kind


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        ("", "as it is configured"),
        ("default_ulimits", "lower limits"),
        ("runc", "with runc"),
        ("nothing-of-that", "no such luck"),
    ],
)
def test_the_first_configuration_that_runs_a_container_is_taken(needs: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "podman").write_text(
        f'#!/bin/sh\n[ -z "{needs}" ] || grep -q "{needs}" "$CONTAINERS_CONF" && exit 0\n'
        "echo no such luck >&2\nexit 1\n"
    )
    (tmp_path / "podman").chmod(0o755)
    engine = Engine(str(tmp_path / "podman"), {"PATH": os.defpath})
    told: list[str] = []
    if words == "no such luck":
        with pytest.raises(SetupError, match=words):
            podman.configure(engine, tmp_path, "image", told.append)
        return
    found = podman.configure(engine, tmp_path, "image", told.append)
    assert words in told[0]
    assert ("CONTAINERS_CONF" in found.environment) == bool(needs)
    assert podman.configured(engine, tmp_path) == found, "later commands find it again"


def test_containers_without_a_network_are_refused_with_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "podman").write_text(
        '#!/bin/sh\n[ "$3" = --network=none ] && exit 0\necho "netavark: No such file or directory" >&2\nexit 127\n'
    )
    (tmp_path / "podman").chmod(0o755)
    engine = Engine(str(tmp_path / "podman"), {"PATH": os.defpath})
    with pytest.raises(SetupError, match=r"no network: netavark: No such file.*iptables") as refused:
        podman.configure(engine, tmp_path, "image", print)
    assert PACKAGES in str(refused.value)


def test_health_is_an_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert health.answers(str(port))
    assert not health.answers(str(port))
    assert not health.answers(f"http://127.0.0.1:{port}/overview")
