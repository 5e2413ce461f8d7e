"""The servers' configuration: on loopback, in the stack's folder, and as the pipeline needs it."""

from __future__ import annotations

import re
from dataclasses import astuple
from pathlib import Path

import pytest
import yaml

from infra.local import dagster, flink, kafka, postgres
from infra.local.paths import StackPaths
from infra.local.ports import LOOPBACK, Listener, Ports
from infra.local.program import Program

PORTS = Ports(40_001, 40_002, 40_003, 40_004, 40_005, 40_006, 40_007)


@pytest.fixture
def paths(tmp_path: Path) -> StackPaths:
    """A stack in a folder with spaces."""
    found = StackPaths(tmp_path / "a b")
    found.make()
    return found


def properties(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def programs(paths: StackPaths) -> list[Program]:
    return [
        kafka.program(paths),
        postgres.program(paths, PORTS),
        *flink.programs(paths),
        *dagster.programs(paths, PORTS),
    ]


def test_the_broker_listens_on_loopback_alone(paths: StackPaths) -> None:
    written = properties(kafka.server_properties(paths, PORTS))
    addresses = re.findall(r"(?:://|@)([^:,]*):(\d+)", " ".join(written.values()))
    assert {host for host, _ in addresses} == {LOOPBACK}
    assert {int(port) for _, port in addresses} == {PORTS.kafka, PORTS.kafka_controller}
    assert written["listeners"].count("://") == 2


def test_a_listener_more_tells_its_clients_an_address_of_its_own(paths: StackPaths) -> None:
    written = properties(kafka.server_properties(paths, PORTS, {"FAR": Listener(50_001, 50_002)}))
    host = f"://{LOOPBACK}"
    assert written["listeners"] == f"PLAINTEXT{host}:40001,FAR{host}:50001,CONTROLLER{host}:40002"
    assert written["advertised.listeners"] == f"PLAINTEXT{host}:40001,FAR{host}:50002"
    assert written["listener.security.protocol.map"] == "PLAINTEXT:PLAINTEXT,FAR:PLAINTEXT,CONTROLLER:PLAINTEXT"


def test_the_broker_never_creates_a_topic_by_itself(paths: StackPaths) -> None:
    written = properties(kafka.server_properties(paths, PORTS))
    assert written["auto.create.topics.enable"] == "false"
    assert written["log.dirs"] == str(paths.data / "kafka")
    assert {name: value for name, value in written.items() if name.endswith("replication.factor")} == {
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "share.coordinator.state.topic.replication.factor": "1",
    }


@pytest.mark.parametrize(("name", "written"), [("a b", "a b"), ("é", "\\u00e9"), ("\U0001f600", "\\ud83d\\ude00")])
def test_the_brokers_folder_is_escaped_for_java(name: str, written: str, tmp_path: Path) -> None:
    paths = StackPaths(tmp_path / name)
    text = kafka.server_properties(paths, PORTS)
    assert text.isascii()
    assert properties(text)["log.dirs"] == f"{tmp_path}/{written}/data/kafka"


def test_flink_listens_on_loopback_alone(paths: StackPaths) -> None:
    config = flink.config(paths, PORTS)
    hosts = {name: value for name, value in config.items() if re.search(r"(address|host)$", name)}
    # Each listener has a bind address of its own; without it Flink listens everywhere.
    assert hosts.keys() >= {"jobmanager.bind-host", "taskmanager.bind-host", "rest.bind-address"}
    assert set(hosts.values()) == {LOOPBACK}
    assert not re.search(r"0\.0\.0\.0|\[::\]", yaml.safe_dump(config))
    assert (config["rest.port"], config["jobmanager.rpc.port"]) == (PORTS.flink_rest, PORTS.flink_rpc)


def test_flinks_processes_may_be_reached_under_another_port(paths: StackPaths) -> None:
    rpc = {"jobmanager": Listener(PORTS.flink_rpc, 50_001), "taskmanager": Listener(50_002, 50_003)}
    config = flink.config(paths, PORTS, rpc)
    assert {name: port for name, port in config.items() if ".rpc." in name and name.endswith("port")} == {
        "jobmanager.rpc.port": 50_001,
        "jobmanager.rpc.bind-port": PORTS.flink_rpc,
        "taskmanager.rpc.port": 50_003,
        "taskmanager.rpc.bind-port": 50_002,
    }


def test_flink_keeps_its_states_in_the_stack_and_takes_no_uploads(paths: StackPaths) -> None:
    config = flink.config(paths, PORTS)
    assert config["execution.checkpointing.dir"] == f"file://{paths.flink_state}/checkpoints"
    assert config["execution.checkpointing.savepoint-dir"] == f"file://{paths.flink_state}/savepoints"
    assert config["web.submit.enable"] is False
    assert config["taskmanager.numberOfTaskSlots"] == 8


def test_flinks_jvms_hold_what_its_configuration_promises(paths: StackPaths) -> None:
    """Heap and direct memory of a TaskManager that no script of Flink's computes."""
    config = flink.config(paths, PORTS)

    def mib(*names: str) -> int:
        return sum(int(str(config[f"{name}"]).removesuffix("m")) for name in names)

    jobmanager, taskmanager = ("\n".join(program.command) for program in flink.programs(paths))
    memory = "taskmanager.memory"
    heap = mib(f"{memory}.framework.heap.size", f"{memory}.task.heap.size")
    names = ("framework.off-heap.size", "task.off-heap.size", "network.max")
    direct = mib(*(f"{memory}.{name}" for name in names))
    assert f"-Xmx{heap}m\n" in taskmanager
    assert f"-XX:MaxDirectMemorySize={direct}m\n" in taskmanager
    assert f"-Xmx{mib('jobmanager.memory.heap.size')}m\n" in jobmanager


def test_flinks_processes_have_a_connection_each_way(paths: StackPaths) -> None:
    option = "-Dpekko.remote.classic.use-passive-connections=off"
    assert all(option in program.command for program in flink.programs(paths))


def test_a_run_that_is_due_waits_for_the_code_server() -> None:
    coordinator = dagster.INSTANCE["run_coordinator"]["config"]
    assert coordinator["max_user_code_failure_retries"] * coordinator["user_code_failure_retry_delay"] >= 60


def test_flinks_files_are_read_back_as_written(paths: StackPaths, tmp_path: Path) -> None:
    connector = tmp_path / "flink-connector-x-1.0.jar"
    connector.touch()
    flink.prepare(paths, PORTS, [connector])
    flink.prepare(paths, PORTS, [connector])
    assert yaml.safe_load((paths.conf / "flink" / "config.yaml").read_text()) == flink.config(paths, PORTS)
    names = {path.name for path in (paths.lib / "flink").iterdir()}
    assert connector.name in names
    assert any(name.startswith("flink-dist") for name in names)


def test_postgres_and_dagster_listen_on_loopback_alone(paths: StackPaths) -> None:
    command = postgres.program(paths, PORTS).command
    assert f"listen_addresses={LOOPBACK}" in command
    assert f"port={PORTS.postgres}" in command
    assert "unix_socket_directories=" in command
    code, web, _ = dagster.programs(paths, PORTS)
    for program, port in ((code, PORTS.dagster_code), (web, PORTS.dagster)):
        assert program.command[program.command.index("-h") + 1] == LOOPBACK
        assert program.command[program.command.index("-p") + 1] == str(port)


def test_dagster_has_one_home_and_one_code_server(paths: StackPaths) -> None:
    dagster.prepare(paths, PORTS)
    homes = {program.environment["DAGSTER_HOME"] for program in dagster.programs(paths, PORTS)}
    assert homes == {str(paths.dagster_home)}
    instance = yaml.safe_load((paths.dagster_home / "dagster.yaml").read_text())
    assert instance["telemetry"] == {"enabled": False}
    workspace = yaml.safe_load((paths.conf / "workspace.yaml").read_text())
    assert workspace["load_from"] == [
        {"grpc_server": {"host": LOOPBACK, "port": PORTS.dagster_code, "location_name": "pi3"}}
    ]


def test_the_location_has_one_name_everywhere() -> None:
    from infra.local.paths import REPOSITORY
    from orchestration.cli import dagster_api

    workspace = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text())
    (loaded,) = (entry["python_module"]["location_name"] for entry in workspace["load_from"])
    assert f'code_location_name = "{loaded}"' in (REPOSITORY / "pyproject.toml").read_text()
    assert {dagster.LOCATION, dagster_api.LOCATION} == {loaded}


def test_no_password_is_in_a_command_or_an_environment(paths: StackPaths) -> None:
    from infra.local.secrets import ensure_passwords

    ensure_passwords(paths.secrets)
    passwords = [path.read_text() for path in paths.secrets.iterdir()]
    told = "\n".join(part for p in programs(paths) for part in (*p.command, *p.environment.values()))
    assert not [password for password in passwords if password in told]


def test_servers_stop_after_those_that_use_them(paths: StackPaths) -> None:
    by_name = {program.name: program.priority for program in programs(paths)}
    assert len(by_name) == 7
    assert max(by_name["kafka"], by_name["postgres"]) < min(by_name["flink-jobmanager"], by_name["flink-taskmanager"])
    assert by_name["flink-jobmanager"] < by_name["dagster-code"] < by_name["dagster-daemon"]


def test_no_two_ports_have_the_same_default() -> None:
    assert len(set(astuple(Ports()))) == 11
