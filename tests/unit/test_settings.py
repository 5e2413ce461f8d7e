"""Where settings come from, and what is said of wrong ones."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from orchestration import settings as module
from orchestration.errors import ConfigurationError
from orchestration.settings import child_environment, load_settings, password_file, read_settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests must not count."""
    for name in [name for name in os.environ if name.upper().startswith("PI3_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def stack_dir(tmp_path: Path) -> Path:
    """The folder of a stack."""
    folder = tmp_path / ".stack"
    (folder / "secrets").mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ({}, "topic_splitpay"),
        ({"secrets"}, "from-secrets"),
        ({"secrets", "stack.env"}, "from-stack.env"),
        ({"stack.env", ".env"}, "from-.env"),
        ({"secrets", "stack.env", ".env", "environment"}, "from-environment"),
    ],
)
def test_precedence(
    sources: set[str], expected: str, stack_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "secrets" in sources:
        (stack_dir / "secrets" / "pi3_kafka_topic").write_text("from-secrets\n")
    for name, folder in (("stack.env", stack_dir), (".env", tmp_path)):
        if name in sources:
            (folder / name).write_text(f"PI3_KAFKA_TOPIC='from-{name}'\n")
    if "environment" in sources:
        monkeypatch.setenv("PI3_KAFKA_TOPIC", "from-environment")
    assert read_settings(stack_dir, tmp_path / ".env").kafka_topic == expected


def test_the_users_file_is_left_out_on_request(stack_dir: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PI3_KAFKA_TOPIC=mine\n")
    assert read_settings(stack_dir, None).kafka_topic == "topic_splitpay"


def test_a_stack_that_was_never_started_has_the_defaults(tmp_path: Path) -> None:
    found = read_settings(tmp_path / "nowhere", None)
    assert (found.stack_dir, found.postgres_port, found.fixed_ports) == (tmp_path / "nowhere", 5432, {})


def test_the_folder_of_the_stack_is_a_setting_of_its_own(stack_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PI3_STACK_DIR", f"{stack_dir}/../.stack")
    monkeypatch.setattr(module, "REPOSITORY", stack_dir)
    load_settings.cache_clear()
    try:
        assert load_settings().stack_dir == stack_dir
        assert load_settings() is load_settings()
    finally:
        load_settings.cache_clear()


def test_ports_that_settings_fix(stack_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import fields

    from infra.local.ports import Ports

    names = [port.name for port in fields(Ports)]
    for number, name in enumerate(names):
        monkeypatch.setenv(f"PI3_LOCAL_{name.upper()}_PORT", str(2_000 + number))
    assert read_settings(stack_dir, None).fixed_ports == {name: 2_000 + number for number, name in enumerate(names)}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("PI3_KAFKA_TOPICS=x", r"^unknown setting PI3_KAFKA_TOPICS: did you mean PI3_KAFKA_TOPIC\?$"),
        ("PI3_ZZZ=x", r"^unknown setting PI3_ZZZ: remove it; orchestration/settings\.py lists them all$"),
        ("PI3_KAFKA_PARTITIONS=many", "^setting PI3_KAFKA_PARTITIONS: .*valid integer"),
        ("PI3_KAFKA_PARTITIONS=0", "^setting PI3_KAFKA_PARTITIONS: .*greater than or equal to 1"),
        ("PI3_POSTGRES_PORT=80", "^setting PI3_POSTGRES_PORT: .*1024"),
        ("PI3_FLINK_REST_URL=localhost:8081", "^setting PI3_FLINK_REST_URL: .*such as http://127.0.0.1:8081"),
        ("PI3_FLINK_REST_URL=http://flink", "^setting PI3_FLINK_REST_URL: .*scheme, host and port"),
        ("PI3_FLINK_REST_URL=http://:8081", "^setting PI3_FLINK_REST_URL: .*scheme, host and port"),
        ("PI3_LOCAL_KAFKA_PORT=", "^setting PI3_LOCAL_KAFKA_PORT: .*valid integer"),
        ("PI3_CONTAINERS_SUBNET=10.93.0.0/24", "^setting PI3_CONTAINERS_SUBNET: .*such as 10.93.57"),
        ("PI3_CONTAINERS_SUBNET=10.93.300", "^setting PI3_CONTAINERS_SUBNET: .*such as 10.93.57"),
        ("PI3_PRODUCER_MALFORMED_SHARE=1.5", "^setting PI3_PRODUCER_MALFORMED_SHARE: .*less than or equal to 1"),
        ("PI3_KAFKA_PARTITIONS=x\nPI3_KAFKA_TOPICS=x", "PI3_KAFKA_PARTITIONS: .*; unknown setting PI3_KAFKA_TOPICS"),
    ],
)
@pytest.mark.parametrize("source", [".env", "environment"])
def test_a_wrong_setting_gives_one_line_with_its_name(
    *, line: str, words: str, source: str, stack_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if source == ".env":
        (tmp_path / ".env").write_text(line + "\n")
    else:
        for assignment in line.split("\n"):
            monkeypatch.setenv(*assignment.split("=", 1))
    if source == "environment" and "\n" in line:
        words = "unknown setting PI3_KAFKA_TOPICS"  # names are looked at before values
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_settings(stack_dir, tmp_path / ".env")
    assert "\n" not in str(caught.value)


def test_other_programs_variables_are_no_concern_of_ours(stack_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from infra.local.supervisor import MARKER

    monkeypatch.setenv("DAGSTER_HOME", "/x")
    monkeypatch.setenv(MARKER, "/x")
    assert read_settings(stack_dir, None).kafka_partitions == 4


def test_a_refused_value_shows_no_password(stack_dir: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PI3_POSTGRES_OWNER_PASSWORD=hunter2\nPI3_KAFKA_PARTITIONS=x\n")
    with pytest.raises(ConfigurationError) as caught:
        read_settings(stack_dir, tmp_path / ".env")
    assert "hunter2" not in str(caught.value)


def test_passwords_come_from_files_and_show_in_no_repr(stack_dir: Path) -> None:
    (stack_dir / "secrets" / "pi3_postgres_owner_password").write_text("hunter2")
    found = read_settings(stack_dir, None)
    assert found.postgres_owner_password == SecretStr("hunter2")
    assert "hunter2" not in f"{found!r}{found}"


@pytest.mark.parametrize("role", ["owner", "writer", "reader", "auditor"])
def test_the_stacks_own_password_file_is_used(role: str, stack_dir: Path) -> None:
    own = stack_dir / "secrets" / f"pi3_postgres_{role}_password"
    own.write_text("secret")
    own.chmod(0o600)
    assert password_file(read_settings(stack_dir, None), role) == own


@pytest.mark.parametrize("mode", [0o600, 0o644, None])
def test_a_password_of_the_users_own_goes_to_a_private_file(
    mode: int | None, stack_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = stack_dir / "secrets" / "pi3_postgres_writer_password"
    own.write_text("generated")
    monkeypatch.setenv("PI3_POSTGRES_WRITER_PASSWORD", "chosen")
    if mode is not None:
        former = stack_dir / "run" / "postgres_writer_password"
        former.parent.mkdir()
        former.write_text("a former and longer password")
        former.chmod(mode)
    umask = os.umask(0)
    try:
        path = password_file(read_settings(stack_dir, None), "writer")
    finally:
        os.umask(umask)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("chosen", 0o600)
    assert own.read_text() == "generated"


def test_a_file_that_already_holds_the_password_is_not_written_again(
    stack_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that reads it at this moment must not find it empty."""
    monkeypatch.setenv("PI3_POSTGRES_WRITER_PASSWORD", "chosen")
    settings = read_settings(stack_dir, None)
    path = password_file(settings, "writer")
    os.utime(path, (0, 0))
    assert password_file(settings, "writer") == path
    assert path.stat().st_mtime == 0


def test_a_missing_password_names_its_setting(stack_dir: Path) -> None:
    with pytest.raises(ConfigurationError, match="role writer: set PI3_POSTGRES_WRITER_PASSWORD"):
        password_file(read_settings(stack_dir, None), "writer")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"no_proxy": ".corp"}, ".corp,127.0.0.1,localhost"),
        ({"NO_PROXY": ".corp"}, ".corp,127.0.0.1,localhost"),
        ({"NO_PROXY": "*"}, "*"),
    ],
)
def test_programs_that_we_start_reach_loopback_without_a_proxy(
    before: dict[str, str], after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    environment = child_environment(X="1")
    assert (environment["no_proxy"], environment["NO_PROXY"], environment["X"]) == (after, after, "1")
    assert environment["PATH"] == os.environ["PATH"]
