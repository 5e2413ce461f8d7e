"""Jars are what the lock says, or they are not used."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infra.local import jars
from infra.local.errors import SetupError
from infra.local.jars import LockedJar, fetch, read_lock, write_lock

CONTENT = b"the real jar"
JAR = LockedJar("flink", "org.example:thing:1.0", hashlib.sha256(CONTENT).hexdigest())


@dataclass
class Repository:
    """A Maven repository that serves these contents, one per download."""

    contents: list[bytes] = field(default_factory=list)
    downloads: int = 0

    def download(self, cache: Path, _: LockedJar) -> Path:
        path = cache / "thing-1.0.jar"
        if not path.exists():
            path.write_bytes(self.contents[self.downloads])
            self.downloads += 1
        return path


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Repository:
    """In the place of the network."""
    served = Repository()
    monkeypatch.setattr(jars, "_download", served.download)
    return served


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens behind this proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_the_lock_of_this_repository_names_what_is_wanted() -> None:
    locked = read_lock()
    named = {(jar.server, jar.coordinates) for jar in locked}
    assert {(server, name) for server, names in jars.WANTED.items() for name in names} <= named
    assert len(named) == len(locked)
    assert all(len(jar.sha256) == 64 and int(jar.sha256, 16) for jar in locked)


def test_comments_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    lock = tmp_path / "jars.lock"
    lock.write_text("# jars\n\nkafka g:a:1 abc  # why\n  \nflink g:b:2 def\n")
    assert read_lock(lock) == [LockedJar("kafka", "g:a:1", "abc"), LockedJar("flink", "g:b:2", "def")]


def test_a_lock_is_read_as_it_was_written_each_servers_jars_in_order(tmp_path: Path) -> None:
    lock = tmp_path / "jars.lock"
    last, first, other = (
        LockedJar("kafka", "g:b:1", "1"),
        LockedJar("kafka", "g:a:1", "2"),
        LockedJar("flink", "a", "3"),
    )
    write_lock(lock, [last, first, other])
    assert read_lock(lock) == [first, last, other]


@pytest.mark.usefixtures("no_network")
def test_a_jar_that_is_there_needs_no_network(tmp_path: Path) -> None:
    path = tmp_path / "org" / "example" / "thing" / "1.0" / "thing-1.0.jar"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert fetch(tmp_path, [JAR]) == {JAR: path}


@pytest.mark.usefixtures("no_network")
def test_without_a_network_one_line_says_so(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"^cannot download org.example:thing:1.0 .*check the network") as caught:
        fetch(tmp_path, [JAR])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "contents", "downloads"),
    [
        (None, [CONTENT], 1),
        (CONTENT, [], 0),
        (b"half a j", [CONTENT], 1),
        (None, [b"half a j", CONTENT], 2),
    ],
)
def test_a_damaged_jar_is_fetched_once_more(
    before: bytes | None, contents: list[bytes], downloads: int, tmp_path: Path, repository: Repository
) -> None:
    if before is not None:
        (tmp_path / "thing-1.0.jar").write_bytes(before)
    repository.contents = contents
    assert fetch(tmp_path, [JAR])[JAR].read_bytes() == CONTENT
    assert repository.downloads == downloads


def test_another_jar_than_the_locked_one_is_refused_and_removed(tmp_path: Path, repository: Repository) -> None:
    repository.contents = [b"another jar", b"another jar"]
    with pytest.raises(SetupError, match=r"thing:1\.0 does not match its SHA-256 in jars\.lock: .*Maven mirror"):
        fetch(tmp_path, [JAR])
    assert list(tmp_path.iterdir()) == []


def test_a_slow_download_shows_its_progress(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jars, "PROGRESS_INTERVAL_S", -1.0)
    repository.contents = [CONTENT]
    told: list[str] = []
    fetch(tmp_path, [JAR], told.append)
    assert told == ["  1 of 1 jars are here"]
