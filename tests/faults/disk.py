"""A server's data folder as a disk of its own, of limited size, that can be full.

A tmpfs is mounted over the folder before the server's first start. It becomes full by losing what is free of its size:
to the server that is the same ENOSPC as a ballast, and it needs neither time nor memory.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

__all__ = ["Disk", "DiskError", "unmount_all", "why_not"]

MOUNTS = Path("/proc/self/mountinfo")
FILL_TIMEOUT_S = 10.0


class DiskError(Exception):
    """A disk cannot be mounted, filled or unmounted; the message holds the words of `mount`."""


def why_not() -> str | None:
    """Why disks cannot be mounted here, as one line; None if they can."""
    if os.geteuid() != 0:
        return "needs root, to mount a disk of limited size"
    # Root of a container may lack the right to mount: only trying tells.
    tried = subprocess.run(
        ("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"), capture_output=True, text=True, check=False
    )
    return None if tried.returncode == 0 else f"cannot mount a disk of limited size: {tried.stderr.strip()}"


class Disk:
    """A mounted tmpfs; what is in it is gone with `unmount`."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder = folder
        self._size_bytes = size_bytes
        self._ballast = folder / ".ballast"

    @classmethod
    def mount(cls, folder: Path, size_bytes: int) -> Disk:
        """Mount a disk over the folder, which is made if need be and looks empty from then on.

        Raises:
            DiskError: see `why_not`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        found = folder.stat()
        options = f"size={size_bytes},mode={found.st_mode & 0o777:o},uid={found.st_uid},gid={found.st_gid}"
        _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
        return cls(folder, size_bytes)

    @property
    def free_bytes(self) -> int:
        """What can still be written."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self) -> None:
        """Leave no room: every write that needs another page fails from now on, until `empty`.

        Raises:
            DiskError: the folder is no mounted disk, or its server frees room faster than it can be taken.
        """
        deadline = time.monotonic() + FILL_TIMEOUT_S
        self._ballast.write_bytes(b"\0")  # the smallest size is one page, which must not be free
        while self.free_bytes:
            if time.monotonic() > deadline:
                raise DiskError(f"{self.folder} still has {self.free_bytes} bytes free")
            found = os.statvfs(self.folder)
            # The kernel refuses less than what is in use, which may have grown since we looked: then look again.
            self._resize((found.f_blocks - found.f_bfree) * found.f_frsize, check=False)

    def empty(self) -> None:
        """Give back the room that `fill` has taken."""
        self._resize(self._size_bytes)
        self._ballast.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Take the disk away, with all that is on it; may be repeated."""
        _unmount(self.folder)

    def _resize(self, size_bytes: int, *, check: bool = True) -> None:
        _run("mount", "-o", f"remount,size={size_bytes}", str(self.folder), check=check)


def unmount_all(root: Path) -> list[Path]:
    """Unmount every disk below `root`, such as those of a suite that was killed; returns which."""
    below = [path for path in _mounted() if path.is_relative_to(root.resolve())]
    for path in below:
        _unmount(path)
    return below


def _unmount(folder: Path) -> None:
    while folder.resolve() in _mounted():
        # Lazily: a process that outlived its server may still stand in it, and keeps no one else from the folder.
        _run("umount", "--lazy", str(folder))


def _mounted() -> list[Path]:
    """Folders on which a tmpfs is mounted; the kernel writes a space in them as an octal escape."""
    lines = [line.partition(" - ") for line in MOUNTS.read_text().splitlines()]
    points = [head.split()[4] for head, _, tail in lines if tail.split()[0] == "tmpfs"]
    return [Path(re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), point)) for point in points]


def _run(*command: str, check: bool = True) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise DiskError(f"{' '.join(command)}: {done.stderr.strip()}")
