"""From a spec to Flink's settings and statements."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any
from urllib.parse import parse_qs

import pytest

from flink_jobs.builder import (
    FINGERPRINT,
    Definition,
    JobPlan,
    build,
    configuration,
    define,
    fingerprint,
    literal,
    writer_name,
)
from flink_jobs.spec import JobSpec
from tests.unit.test_job_spec import SPEC

JARS = ("flink-dist-2.3.0.jar", "postgresql-42.7.14.jar")
REMOTE = replace(SPEC, rest_address="127.0.0.1", rest_port=8081)

# What changes nothing of the job's behaviour, and a value for each.
RUN_FIELDS: dict[str, Any] = {
    "password_file": "/other",
    "rest_address": "10.0.0.1",
    "rest_port": 9999,
    "rest_tls": True,
    "rest_path": "/gateway",
    "rest_ca_file": "/ca.pem",
    "rest_token_file": "/token",
    "options_file": "/options",
    "jars": ("/lib/x.jar",),
    "job_id": "1" * 32,
    "restore_path": "file:///var/flink/chk-1",
    "client_java_home": "/java",
    "client_lib_dir": "/lib",
    "client_log_dir": "/log",
    "start_offsets": {0: 1},
    "end_offsets": {0: 2},
    "writer_epoch": 7,
    "definition_file": "/definition.json",
    "fingerprint": "f",
}
BEHAVIOUR_FIELDS: dict[str, Any] = {
    "job_name": "other-name",
    "bootstrap_servers": "other:9092",
    "topic": "other",
    "consumer_group": "other",
    "jdbc_url": "jdbc:postgresql://127.0.0.1:1/db",
    "jdbc_user": "other",
    "table": "other",
    "state_uri": "file:///other",
    "parallelism": 3,
    "checkpoint_interval_ms": 777,
    "checkpoint_timeout_ms": 777,
    "sink_flush_rows": 777,
    "sink_flush_interval_ms": 777,
    "restart_initial_ms": 777,
    "restart_max_ms": 77_777,
    "restart_reset_ms": 777,
}


def options(statement: str) -> dict[str, str]:
    """The WITH options of a CREATE TABLE."""
    pairs = re.findall(r"'((?:[^']|'')*)' = '((?:[^']|'')*)'", statement[statement.index("WITH (") :])
    return {key: value.replace("''", "'") for key, value in pairs}


def tables(plan: JobPlan) -> tuple[dict[str, str], dict[str, str]]:
    """The options of source and sink."""
    source, sink = plan.statements
    return options(source), options(sink)


@pytest.mark.parametrize(
    ("text", "sql"), [("plain", "'plain'"), ("it's", "'it''s'"), ("", "''"), ("''", "''''''"), ("a\\b$c", "'a\\b$c'")]
)
def test_literal(text: str, sql: str) -> None:
    assert literal(text) == sql


def test_every_value_is_quoted() -> None:
    nasty = "x' , 'connector' = 'print"
    source, sink = tables(build(replace(SPEC, topic=nasty, jdbc_user=nasty, consumer_group="$topic"), nasty))
    assert (source["connector"], source["topic"], source["properties.group.id"]) == ("kafka", nasty, "$topic")
    assert (sink["connector"], sink["username"], sink["password"]) == ("postgres-upsert", nasty, nasty)


def test_source_reads_the_groups_offsets_without_bound() -> None:
    source, _ = tables(build(SPEC, "p"))
    assert source["scan.startup.mode"] == "group-offsets"
    assert source["properties.auto.offset.reset"] == "earliest"
    assert not [key for key in source if key.startswith("scan.bounded")]


def test_source_reads_a_range() -> None:
    source, _ = tables(build(replace(SPEC, start_offsets={1: 7, 0: 5}, end_offsets={0: 6, 1: 9}), "p"))
    assert source["scan.startup.mode"] == source["scan.bounded.mode"] == "specific-offsets"
    assert source["scan.startup.specific-offsets"] == "partition:0,offset:5;partition:1,offset:7"
    assert source["scan.bounded.specific-offsets"] == "partition:0,offset:6;partition:1,offset:9"


def test_sink_options() -> None:
    _, sink = tables(build(replace(SPEC, table="public.events"), "p"))
    assert sink["table-name"] == "public.events"
    assert sink["sink.buffer-flush.max-rows"] == "2048"
    assert sink["sink.buffer-flush.interval"] == "50 ms"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("jdbc:postgresql://h/db", {"connectTimeout=10", "socketTimeout=60"}),
        ("jdbc:postgresql://h/db?socketTimeout=5", {"socketTimeout=5", "connectTimeout=10"}),
        ("jdbc:postgresql://h/db?sslmode=require&prepareThreshold=0", {"prepareThreshold=0", "sslmode=require"}),
        ("jdbc:postgresql://h/db?options=-c%20a%3Db", {"options=-c+a%3Db"}),
    ],
)
def test_jdbc_url(url: str, expected: set[str]) -> None:
    _, sink = tables(build(replace(SPEC, jdbc_url=url), "p"))
    address, query = sink["url"].split("?")
    given = query.split("&")
    assert address == "jdbc:postgresql://h/db"
    assert expected <= set(given)
    assert len(given) == len({pair.split("=")[0] for pair in given}), "each option once"


def test_settings_of_a_remote_run() -> None:
    settings = build(replace(REMOTE, job_id="0" * 32, restore_path="file:///s/chk-1"), "p").configuration
    expected = {
        "pipeline.name": "events-job",
        "parallelism.default": "1",
        "execution.target": "remote",
        "execution.attached": "false",
        "rest.address": "127.0.0.1",
        "rest.port": "8081",
        "$internal.pipeline.job-id": "0" * 32,
        "execution.state-recovery.path": "file:///s/chk-1",
        "execution.checkpointing.dir": "file:///var/flink/state/checkpoints",
        "execution.checkpointing.savepoint-dir": "file:///var/flink/state/savepoints",
        "execution.checkpointing.externalized-checkpoint-retention": "RETAIN_ON_CANCELLATION",
        "restart-strategy.type": "exponential-delay",
        "table.exec.sink.upsert-materialize": "NONE",
        "table.exec.sink.require-on-conflict": "false",
    }
    assert expected.items() <= settings.items()


def test_settings_of_an_embedded_run_leave_the_target_open() -> None:
    settings = build(SPEC, "p").configuration
    assert not [key for key in settings if key.startswith(("execution.target", "execution.attached", "rest.", "$"))]


def test_jars_are_shipped_as_uris() -> None:
    settings = configuration(replace(SPEC, jars=("/my lib/a.jar", "/b.jar")))
    assert settings["pipeline.jars"] == "file:///my%20lib/a.jar;file:///b.jar"


def test_the_job_carries_its_fingerprint() -> None:
    plan = build(SPEC, "p", JARS)
    assert plan.configuration["pipeline.global-job-parameters"] == f"{FINGERPRINT}:{fingerprint(define(SPEC), JARS)}"
    known = build(replace(SPEC, fingerprint="as-it-was"), "p", JARS)
    assert known.configuration["pipeline.global-job-parameters"] == f"{FINGERPRINT}:as-it-was"


@pytest.mark.parametrize(("epoch", "name"), [(None, "events-job"), (12, "events-job#12")])
def test_postgres_knows_the_run_by_its_name_and_epoch(epoch: int | None, name: str) -> None:
    spec = replace(SPEC, writer_epoch=epoch, jdbc_url="jdbc:postgresql://h/db?ApplicationName=mine")
    _, sink = tables(build(spec, "p"))
    assert parse_qs(sink["url"].partition("?")[2])["ApplicationName"] == [name] == [writer_name(spec)]


def test_a_kept_definition_is_built_as_it_was() -> None:
    kept = Definition.from_json(define(REMOTE).to_json())
    now = replace(REMOTE, topic="other", sink_flush_rows=7, job_id="0" * 32, restore_path="file:///s", writer_epoch=3)
    plan = build(now, "p", JARS, kept)
    then = replace(REMOTE, job_id="0" * 32, restore_path="file:///s", writer_epoch=3)
    assert plan == build(then, "p", JARS)


def test_a_definition_holds_no_secret_and_names_no_run() -> None:
    run = {name: value for name, value in RUN_FIELDS.items() if name != "end_offsets"} | {"restore_path": None}
    assert define(replace(SPEC, **run)) == define(SPEC)


def test_a_replay_moves_no_offsets_of_the_group() -> None:
    source, _ = tables(build(replace(SPEC, start_offsets={0: 5}, end_offsets={0: 6}), "p"))
    assert source["properties.commit.offsets.on.checkpoint"] == "false"
    source, _ = tables(build(replace(SPEC, start_offsets={0: 5}), "p"))
    assert "properties.commit.offsets.on.checkpoint" not in source


def test_options_of_the_clients_win_and_are_no_part_of_the_job() -> None:
    named = {"sslrootcert": "/my ca.pem", "ApplicationName": "not-ours"}
    options = {"kafka": {"security.protocol": "SSL", "ssl.key": "a'b\nc"}, "postgres": named}
    spec = replace(SPEC, jdbc_url="jdbc:postgresql://h/db?sslrootcert=/former")
    plan = build(spec, "p", JARS, options=options)
    source, sink = tables(plan)
    assert (source["properties.security.protocol"], source["properties.ssl.key"]) == ("SSL", "a'b\nc")
    found = parse_qs(sink["url"].partition("?")[2])
    assert (found["sslrootcert"], found["ApplicationName"]) == (["/former", "/my ca.pem"], [SPEC.job_name])
    assert plan.configuration == build(spec, "p", JARS).configuration
    assert "/my" not in repr(plan)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"rest_tls": True}, {"security.ssl.rest.enabled": "true"}),
        ({"rest_path": "/gateway"}, {"rest.path": "/gateway"}),
    ],
)
def test_settings_of_a_cluster_behind_a_proxy(changes: dict[str, Any], expected: dict[str, str]) -> None:
    found = build(replace(REMOTE, **changes), "p").configuration
    assert {key: found[key] for key in found.keys() & {"security.ssl.rest.enabled", "rest.path"}} == expected


def test_the_plan_shows_no_password() -> None:
    assert "s3cret" not in repr(build(SPEC, "s3cret"))
    assert "s3cret" in build(SPEC, "s3cret").statements[1]


def test_each_field_of_the_spec_is_judged() -> None:
    assert RUN_FIELDS.keys() | BEHAVIOUR_FIELDS.keys() == {field.name for field in fields(JobSpec)}


def of(spec: JobSpec, jars: Iterable[str] = JARS) -> str:
    """The fingerprint of the job that this code would run."""
    return fingerprint(define(spec), jars)


@pytest.mark.parametrize("name", RUN_FIELDS)
def test_fingerprint_ignores_how_a_run_is_started(name: str) -> None:
    base = replace(REMOTE, start_offsets={0: 0}) if name == "end_offsets" else REMOTE
    assert of(replace(base, **{name: RUN_FIELDS[name]})) == of(base)


@pytest.mark.parametrize("name", BEHAVIOUR_FIELDS)
def test_fingerprint_tells_what_the_job_does(name: str) -> None:
    assert of(replace(SPEC, **{name: BEHAVIOUR_FIELDS[name]})) != of(SPEC)


def test_fingerprint_tells_the_jars_in_any_order() -> None:
    assert of(SPEC) == of(SPEC, reversed(JARS))
    assert of(SPEC) != of(SPEC, JARS[:1])


def test_an_embedded_and_a_remote_run_are_the_same_job() -> None:
    assert of(SPEC) == of(REMOTE)


def test_comments_are_no_part_of_the_statements() -> None:
    plan = build(SPEC, "p")
    assert not [line for text in (*plan.statements, plan.insert) for line in text.splitlines() if "--" in line]
