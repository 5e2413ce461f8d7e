"""Where things lie, and paths that the servers could not be told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.local.errors import SetupError, in_one_line
from infra.local.paths import REPOSITORY, StackPaths


def test_everything_is_below_the_root_but_what_stacks_share(tmp_path: Path) -> None:
    paths = StackPaths(tmp_path)
    properties = [name for name, value in vars(StackPaths).items() if isinstance(value, property)]
    outside = {name for name in properties if tmp_path not in getattr(paths, name).parents}
    assert outside == {"maven", "built", "class_archives", "python"}
    assert paths.maven.is_relative_to(REPOSITORY)


def test_only_the_owner_may_look_into_the_secrets(tmp_path: Path) -> None:
    paths = StackPaths(tmp_path / "new" / "stack")
    paths.make()
    paths.make()
    assert paths.secrets.stat().st_mode & 0o077 == 0
    assert all(folder.is_dir() for folder in (paths.data, paths.conf, paths.log, paths.run, paths.lib))
    assert paths.flink_state.is_dir()
    assert paths.dagster_home.is_dir()


@pytest.mark.parametrize("name", ["plain", "with spaces", "(a) & b", "ünï", "a@b+c=d~e[f]"])
def test_a_path_that_servers_can_hold(name: str, tmp_path: Path) -> None:
    StackPaths(tmp_path / name).check()


@pytest.mark.parametrize("character", [":", ",", "%", ";", "#", "\\", '"', "'", "$", "\n"])
def test_a_path_that_servers_cannot_hold_is_refused(character: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot hold: move the clone, or set PI3_STACK_DIR") as caught:
        StackPaths(tmp_path / f"a {character}b").check()
    assert repr(character) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [("", ""), ("one", "one"), ("  one\n\n two\t three\n", "one two three"), ("x" * 20 + " end", "... xxxxxx end")],
)
def test_several_lines_become_one(text: str, line: str) -> None:
    assert in_one_line(text, 10) == line or in_one_line(text, 20) == line
