"""A disk of limited size, really mounted; on a machine that allows it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import disk
from tests.faults.disk import Disk, DiskError, unmount_all, why_not

MEGABYTE = 1024**2


def test_who_is_not_root_is_told_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert why_not() == "needs root, to mount a disk of limited size"


def test_a_refused_mount_says_why(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"^mount .*: mount: "):
        disk._run("mount", "-t", "no-such-type", "none", str(tmp_path))


requires_mounts = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 4 MiB in a folder with a space."""
    folder = tmp_path / "a b" / "data"
    folder.mkdir(mode=0o700, parents=True)
    yield Disk.mount(folder, 4 * MEGABYTE)
    unmount_all(tmp_path)


def write(path: Path, size_bytes: int) -> None:
    with path.open("wb") as file:
        file.write(bytes(size_bytes))


@requires_mounts
def test_a_disk_holds_its_size_and_no_more(mounted: Disk) -> None:
    write(mounted.folder / "fits", 3 * MEGABYTE)
    with pytest.raises(OSError, match="No space left") as caught:
        write(mounted.folder / "does not", 2 * MEGABYTE)
    assert caught.value.errno == errno.ENOSPC


@requires_mounts
def test_the_folder_keeps_owner_and_mode(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65533)
    found = Disk.mount(folder, MEGABYTE)
    try:
        status = folder.stat()
        assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (65534, 65533, 0o700)
    finally:
        found.unmount()


@requires_mounts
def test_a_full_disk_takes_nothing_and_an_emptied_one_does_again(mounted: Disk) -> None:
    write(mounted.folder / "before", MEGABYTE)
    for _ in range(3):
        mounted.fill()
        mounted.fill()
        assert mounted.free_bytes == 0
        with pytest.raises(OSError, match="No space left"):
            write(mounted.folder / "after", 1)
        mounted.empty()
        write(mounted.folder / "after", 2 * MEGABYTE)
        (mounted.folder / "after").unlink()
    assert (mounted.folder / "before").read_bytes() == bytes(MEGABYTE)


@requires_mounts
def test_an_unused_disk_can_be_full(mounted: Disk) -> None:
    mounted.fill()
    with pytest.raises(OSError, match="No space left"):
        write(mounted.folder / "first", 1)


@requires_mounts
def test_disks_of_a_run_that_was_killed_are_found(mounted: Disk, tmp_path: Path) -> None:
    write(mounted.folder / "left over", 1)
    Disk.mount(mounted.folder, MEGABYTE)
    with (mounted.folder / "still open").open("wb"):
        assert set(unmount_all(tmp_path)) == {mounted.folder}
    assert list(mounted.folder.iterdir()) == []
    assert unmount_all(tmp_path) == []
    mounted.unmount()


@requires_mounts
def test_only_a_mounted_disk_is_filled(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"^mount -o remount"):
        Disk(tmp_path, MEGABYTE).empty()
