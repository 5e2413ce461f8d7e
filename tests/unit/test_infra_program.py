"""What supervisord reads back from the configuration that we write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from supervisor.options import ServerOptions

from infra.local.program import Program, render


def parse(text: str, folder: Path) -> Any:  # noqa: ANN401 - supervisor is untyped
    """The one program of a configuration, by supervisor's own parser."""
    file = folder / "supervisord.conf"
    file.write_text("[supervisord]\n" + text)
    options = ServerOptions()
    options.configfile = str(file)
    with file.open() as opened:
        groups = options.read_config(opened).process_group_configs
    (program,) = (process for group in groups for process in group.process_configs)
    return program


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "a path with spaces",
        "100%",
        "%(here)s and %%",
        "o'neil",
        'say "hi"',
        "--x=a b=c",
        "$HOME `id` & | > *",
        "back\\slash",
        "",
        "ünïcode",
    ],
)
def test_an_argument_survives(value: str, tmp_path: Path) -> None:
    import shlex

    program = parse(render(Program("server", ("/bin/run", value, "last")), tmp_path, tmp_path), tmp_path)
    assert shlex.split(program.command) == ["/bin/run", value, "last"]


@pytest.mark.parametrize("value", ["plain", "a path with spaces", "50% off", "a,b=c", "it's", "-W ignore", "/x/(y)/z"])
def test_a_variable_survives(value: str, tmp_path: Path) -> None:
    environment = {"FIRST": value, "SECOND": "2"}
    program = parse(render(Program("server", ("run",), environment), tmp_path, tmp_path), tmp_path)
    assert program.environment == environment


def test_folders_with_spaces_and_percent_signs_survive(tmp_path: Path) -> None:
    log, directory = tmp_path / "50% of logs", tmp_path / "my clone"
    log.mkdir()
    directory.mkdir()
    program = parse(render(Program("kafka", ("run",)), log, directory), tmp_path)
    assert program.directory == str(directory)
    assert program.stdout_logfile == str(log / "kafka.log")


def test_how_a_program_is_kept_running_and_stopped(tmp_path: Path) -> None:
    import signal

    written = Program("postgres", ("run",), priority=10, stop_signal="INT", stop_wait_s=60)
    program = parse(render(written, tmp_path, tmp_path), tmp_path)
    assert (program.name, program.priority, program.stopsignal, program.stopwaitsecs) == (
        "postgres",
        10,
        signal.SIGINT,
        60,
    )
    assert program.autorestart.__name__ == "RestartUnconditionally"
    assert program.startretries > 10**6
    assert program.killasgroup
    assert not program.stopasgroup
    assert program.redirect_stderr
    assert program.stdout_logfile_maxbytes * (program.stdout_logfile_backups + 1) <= 100 * 1024**2
