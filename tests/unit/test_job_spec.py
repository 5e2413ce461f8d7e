"""The job spec: its JSON, its rules, and the files that it names."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flink_jobs.spec import JobSpec, JobSpecError, jar_names, read_options, read_password, read_token

SPEC = JobSpec(
    job_name="events-job",
    bootstrap_servers="127.0.0.1:19092",
    topic="events_topic",
    consumer_group="events-group",
    jdbc_url="jdbc:postgresql://127.0.0.1:15432/db",
    jdbc_user="writer",
    password_file="/secrets/writer",  # noqa: S106 - a path
    table="events",
    state_uri="file:///var/flink/state",
)


def test_json_round_trip(tmp_path: Path) -> None:
    spec = replace(
        SPEC,
        rest_address="127.0.0.1",
        rest_port=8081,
        jars=("/lib/a.jar", "/lib/b.jar"),
        job_id="0" * 32,
        start_offsets={0: 5, 11: 7},
        end_offsets={0: 6, 11: 7},
    )
    path = tmp_path / "new folder" / "job.json"
    spec.write(path)
    assert JobSpec.read(path) == spec
    assert [file.name for file in path.parent.iterdir()] == ["job.json"]


def test_defaults_are_filled_in() -> None:
    wanted = {key: value for key, value in json.loads(SPEC.to_json()).items() if isinstance(value, str)}
    assert JobSpec.from_json(json.dumps(wanted)) == SPEC


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"topic": ""}, "must not be empty"),
        ({"job_name": "a#1"}, "letters, digits, dots, dashes"),
        ({"job_name": "x" * 51}, "at most 50"),
        ({"jdbc_url": "postgresql://h/db"}, "must start with jdbc:postgresql://"),
        ({"jdbc_url": "jdbc:postgresql://h/db?password=x"}, "neither user nor password"),
        ({"jdbc_url": "jdbc:postgresql://h/db?ssl=true&user=x"}, "neither user nor password"),
        ({"table": "Events"}, "lower-case name"),
        ({"table": "events; DROP TABLE events"}, "lower-case name"),
        ({"table": "a.b.c"}, "lower-case name"),
        ({"state_uri": "/var/flink"}, "must be a URI"),
        ({"parallelism": 0}, "at least 1"),
        ({"sink_flush_interval_ms": -1}, "at least 1"),
        ({"restart_initial_ms": 5_000, "restart_max_ms": 4_000}, "must not be below"),
        ({"rest_address": "127.0.0.1"}, "go together"),
        ({"rest_port": 8081}, "go together"),
        ({"rest_address": "h", "rest_port": 65_536}, "1 to 65535"),
        ({"job_id": "ABCDEF" + "0" * 26}, "hexadecimal"),
        ({"job_id": "0" * 31}, "hexadecimal"),
        ({"start_offsets": {}}, "at least one partition"),
        ({"end_offsets": {0: 1}}, "needs start_offsets"),
        ({"start_offsets": {0: 1}, "end_offsets": {1: 2}}, "same partitions"),
        ({"start_offsets": {0: 3}, "end_offsets": {0: 2}}, "none above its end"),
        ({"start_offsets": {0: 3}, "restore_path": "file:///x"}, "exclude each other"),
        ({"start_offsets": {0: -1}}, "start_offsets must be an object from partition to offset"),
        ({"parallelism": "4"}, "parallelism must be a whole number"),
        ({"parallelism": True}, "parallelism must be a whole number"),
        ({"topic": 5}, "topic must be a text"),
        ({"jars": ["a.jar"]}, "jars must be a list of texts"),
        ({"rest_port": "8081"}, "rest_port must be a whole number or null"),
    ],
)
def test_rules(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(JobSpecError, match=complaint):
        replace(SPEC, **changes)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(JobSpecError, match=r"lower-case name.*must be a URI"):
        replace(SPEC, table="X", state_uri="/x")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "one JSON object"),
        ('{"topik": "x"}', "unknown fields topik; known are .*topic"),
        ('{"topic": "x"}', "missing .* required .*job_name"),
    ],
)
def test_bad_json(text: str, complaint: str) -> None:
    with pytest.raises(JobSpecError, match=complaint):
        JobSpec.from_json(text)


def test_bad_offsets_in_json() -> None:
    raw = {**json.loads(SPEC.to_json()), "start_offsets": {"x": 1}}
    with pytest.raises(JobSpecError, match="start_offsets must be"):
        JobSpec.from_json(json.dumps(raw))


def test_a_missing_spec_file(tmp_path: Path) -> None:
    with pytest.raises(JobSpecError, match=r"job\.json: No such file or directory; name another one with --spec"):
        JobSpec.read(tmp_path / "job.json")


def password_file(folder: Path, content: str, mode: int) -> JobSpec:
    """A spec whose password file has this content and mode."""
    path = folder / "writer"
    path.write_text(content)
    path.chmod(mode)
    return replace(SPEC, password_file=str(path))


@pytest.mark.parametrize("content", ["se cret", "se cret\n"])
def test_password(tmp_path: Path, content: str) -> None:
    assert read_password(password_file(tmp_path, content, 0o600)) == "se cret"


@pytest.mark.parametrize(
    ("content", "mode", "complaint"),
    [("x", 0o640, "chmod 600"), ("x", 0o604, "chmod 600"), ("", 0o600, "is empty"), ("\n", 0o600, "is empty")],
)
def test_bad_password_file(tmp_path: Path, content: str, mode: int, complaint: str) -> None:
    with pytest.raises(JobSpecError, match=complaint):
        read_password(password_file(tmp_path, content, mode))


def test_missing_password_file() -> None:
    with pytest.raises(JobSpecError, match="password_file /secrets/writer: No such file"):
        read_password(SPEC)


def private(folder: Path, text: str, mode: int = 0o600) -> str:
    """A file of this content and mode."""
    path = folder / "private"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_token_and_options_come_from_private_files(tmp_path: Path) -> None:
    assert (read_token(SPEC), read_options(SPEC)) == (None, {})
    assert read_token(replace(SPEC, rest_token_file=private(tmp_path, "t\n"))) == "t"
    assert read_options(replace(SPEC, options_file=private(tmp_path, '{"kafka": {"a": "b"}}'))) == {"kafka": {"a": "b"}}


@pytest.mark.parametrize(
    ("text", "mode", "words"), [("{}", 0o644, "chmod 600"), ("s3cret", 0o600, "should be JSON"), ("5", 0o600, "JSON")]
)
def test_bad_options_file(text: str, mode: int, words: str, tmp_path: Path) -> None:
    with pytest.raises(JobSpecError, match=words) as caught:
        read_options(replace(SPEC, options_file=private(tmp_path, text, mode)))
    assert "s3cret" not in str(caught.value).replace(str(tmp_path), "")


def test_the_spec_never_holds_the_password(tmp_path: Path) -> None:
    spec = password_file(tmp_path, "s3cret", 0o600)
    read_password(spec)
    assert "s3cret" not in spec.to_json() + repr(spec)


def test_jar_names(tmp_path: Path) -> None:
    for name in ("b.jar", "a.jar", "notes.txt"):
        (tmp_path / name).touch()
    spec = replace(SPEC, client_lib_dir=str(tmp_path), jars=("/elsewhere/c.jar", "/elsewhere/a.jar"))
    assert jar_names(spec) == ["a.jar", "b.jar", "c.jar"]
    assert jar_names(SPEC) == []
