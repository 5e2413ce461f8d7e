"""The sink's jar: made once for equal sources, anew for others, and not at all from sources that do not compile."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from infra.local import flink, sink
from infra.local.errors import SetupError
from infra.local.jars import fetch, read_lock
from infra.local.paths import StackPaths

FACTORY = "META-INF/services/org.apache.flink.table.factories.Factory"


@pytest.fixture(scope="module")
def jars() -> dict[str, list[Path]]:
    """Locked jars by who needs them."""
    found: dict[str, list[Path]] = {}
    wanted = [jar for jar in read_lock() if jar.server in ("flink", "compiler")]
    for jar, path in fetch(StackPaths(Path()).maven, wanted).items():
        found.setdefault(jar.server, []).append(path)
    return found


def build(folder: Path, jars: dict[str, list[Path]]) -> Path:
    """As set-up does."""
    (compiler,) = jars["compiler"]
    return sink.build(folder, compiler, [*flink.own_jars(), *jars["flink"]])


def test_equal_sources_give_the_same_bytes_and_are_compiled_once(tmp_path: Path, jars: dict[str, list[Path]]) -> None:
    first = build(tmp_path / "a", jars)
    again = build(tmp_path / "b", jars)
    assert (first.name, first.read_bytes()) == (again.name, again.read_bytes())
    made_at = first.stat().st_mtime_ns
    assert build(tmp_path / "a", jars).stat().st_mtime_ns == made_at
    assert [path.name for path in (tmp_path / "a").iterdir()] == [first.name]
    with zipfile.ZipFile(first) as archive:
        factories = archive.read(FACTORY).decode().split()
        assert len(factories) == 2, "the format's and the sink's"
        assert {factory.replace(".", "/") + ".class" for factory in factories} <= set(archive.namelist())


def test_sources_that_do_not_compile_are_named(
    tmp_path: Path, jars: dict[str, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "sources" / "pi3" / "Broken.java"
    broken.parent.mkdir(parents=True)
    broken.write_text("package pi3; class Broken { int x = nowhere; }")
    monkeypatch.setattr(sink, "SOURCES", tmp_path / "sources")
    with pytest.raises(SetupError, match=r"sources does not compile: (?s:.*)nowhere"):
        build(tmp_path / "out", jars)
    assert list((tmp_path / "out").iterdir()) == []
