from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from producer.cli import options_from
from producer.errors import UsageError
from producer.stream import Shares

BROKER = ["--bootstrap-servers", "127.0.0.1:1"]
NO_STACK = Path("there/is/no/stack.json")


def config_file(folder: Path, **settings: Any) -> Path:  # noqa: ANN401
    path = folder / "producer.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    return path


def test_defaults() -> None:
    options = options_from(BROKER, NO_STACK)
    assert (options.topic, options.rate_per_s, options.count) == ("topic_splitpay", 1_000.0, 0)
    assert (options.shares, options.file, options.report, options.source) == (Shares(), None, None, "generator")


def test_each_run_has_another_seed_unless_one_is_given() -> None:
    assert len({options_from(BROKER, NO_STACK).seed for _ in range(5)}) == 5
    assert options_from([*BROKER, "--seed", "7"], NO_STACK).seed == 7


@pytest.mark.parametrize(
    ("flags", "source", "file_format", "rate_per_s"),
    [
        (["--file", "a.ndjson"], "a.ndjson", "ndjson", 0),
        (["--file", "a.CSV"], "a.CSV", "csv", 0),
        (["--file", "-"], "stdin", "ndjson", 0),
        (["--file", "-", "--format", "csv", "--rate", "5"], "stdin", "csv", 5),
        (["--file", "a.csv", "--format", "ndjson"], "a.csv", "ndjson", 0),
    ],
)
def test_file_flags(flags: list[str], source: str, file_format: str, rate_per_s: float) -> None:
    options = options_from([*BROKER, *flags], NO_STACK)
    assert (options.source, options.file_format, options.rate_per_s) == (source, file_format, rate_per_s)


def test_the_stack_names_the_broker_so_that_no_flag_is_needed(tmp_path: Path) -> None:
    stack = config_file(tmp_path, bootstrap_servers="127.0.0.1:5", topic="t", rate=50, report="r.json", seed=None)
    options = options_from(["--count", "1000"], stack)
    assert (options.bootstrap_servers, options.topic, options.rate_per_s) == ("127.0.0.1:5", "t", 50.0)
    assert (options.report, options.count) == (Path("r.json"), 1_000)


def test_flags_win_over_the_config_and_that_over_the_stack(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stack = config_file(tmp_path, bootstrap_servers="127.0.0.1:5", topic="stack")
    other = config_file(tmp_path / "other", bootstrap_servers="127.0.0.1:6", topic="other")
    options = options_from(["--config", str(other), "--topic", "flag"], stack)
    assert (options.bootstrap_servers, options.topic) == ("127.0.0.1:6", "flag")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "no Kafka broker is named: start the local stack"),
        ([*BROKER, "--rate", "-1"], "must be 0 or more"),
        ([*BROKER, "--count", "-1"], "must be 0 or more"),
        ([*BROKER, "--malformed-share", "-0.1"], "each be 0 or more"),
        ([*BROKER, "--late-share", "nan"], "together at most 1"),
        ([*BROKER, "--malformed-share", "0.6", "--duplicate-share", "0.6"], "together at most 1"),
        ([*BROKER, "--file", "a", "--late-share", "0.1"], "a file is sent as it is"),
        (["--config", "no/such/file"], "cannot be read"),
    ],
)
def test_bad_flags_give_one_clear_line(flags: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        options_from(flags, NO_STACK)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "cannot be read"), ("[]", "no JSON object"), ('{"topik": "t"}', r"unknown settings \(topik\)")],
)
def test_bad_config_gives_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        options_from(BROKER, path)


def test_options_of_the_client_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "options").write_text('{"sasl.password": "hunter2"}')
    options = options_from([*BROKER, f"--client-options={tmp_path / 'options'}"], tmp_path / "none")
    assert options.client_options == {"sasl.password": "hunter2"}
    assert options_from(BROKER, tmp_path / "none").client_options == {}


@pytest.mark.parametrize("text", [None, "hunter2", '["hunter2"]', '{"sasl.password": {"hunter2": 1}}'])
def test_options_that_cannot_be_read_are_told_without_a_value(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "options").write_text(text)
    with pytest.raises(UsageError, match="--client-options") as caught:
        options_from([*BROKER, f"--client-options={tmp_path / 'options'}"], tmp_path / "none")
    assert "hunter2" not in str(caught.value)
