"""A replay does what the stream does, under its own name and from its own folder."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flink_jobs.builder import build, define
from orchestration.lifecycle.replay import OWN_SETTINGS, RESTARTS, replay_definition, replay_spec
from tests.unit.test_job_spec import SPEC

NAME = "replay.0123456789ab"
SPAN = {"start_offsets": {0: 5, 1: 9}, "end_offsets": {0: 8, 1: 9}}


def test_the_spec_is_the_streams_but_for_what_a_run_has_of_its_own() -> None:
    spec = replay_spec(SPEC, NAME, 2)
    assert (
        replace(
            spec,
            job_name=SPEC.job_name,
            state_uri=SPEC.state_uri,
            consumer_group=SPEC.consumer_group,
            parallelism=SPEC.parallelism,
        )
        == SPEC
    )
    assert spec.state_uri == f"{SPEC.state_uri.rstrip('/')}/replays/{NAME}"
    assert spec.consumer_group != SPEC.consumer_group


def test_the_current_version_is_replayed_as_it_stands() -> None:
    spec = replay_spec(SPEC, NAME, 2)
    found, own = replay_definition(define(SPEC), SPEC, spec), define(spec)
    assert (found.source, found.sink, found.insert) == (own.source, own.sink, own.insert)
    assert found.settings == {**own.settings, **RESTARTS}


def test_of_another_version_everything_is_kept_that_says_what_it_does() -> None:
    kept = define(replace(SPEC, sink_flush_rows=7, checkpoint_interval_ms=99))
    kept = replace(kept, insert="INSERT other", source=kept.source.replace("'5000'", "'1'"))
    found = replay_definition(kept, SPEC, replay_spec(SPEC, NAME, 2))
    assert (found.insert, found.sink) == (kept.insert, kept.sink)
    assert "'1'" in found.source
    assert f"'{SPEC.consumer_group}.{NAME}'" in found.source
    assert f"'{SPEC.consumer_group}'" not in found.source
    own = {key: value for key, value in found.settings.items() if kept.settings.get(key) != value}
    assert own.keys() == {*OWN_SETTINGS, *RESTARTS}


@pytest.mark.parametrize(
    "option",
    [
        "'scan.startup.specific-offsets' = 'partition:0,offset:5;partition:1,offset:9'",
        "'scan.bounded.specific-offsets' = 'partition:0,offset:8;partition:1,offset:9'",
        "'properties.commit.offsets.on.checkpoint' = 'false'",
    ],
)
def test_it_is_bounded_and_commits_nothing(option: str) -> None:
    spec = replace(replay_spec(SPEC, NAME, 2), **SPAN)  # type: ignore[arg-type]
    plan = build(spec, "secret", (), replay_definition(define(SPEC), SPEC, spec))
    assert option in plan.statements[0]
