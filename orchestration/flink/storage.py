"""The folder in which a job keeps its state: on this machine, or in an object store."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from orchestration.errors import ConfigurationError, TransientError

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, S3FileSystem

# What an object store says that no other try will change.
REFUSALS: Final = ("ACCESS_DENIED", "NO_SUCH_BUCKET", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH")
TIMEOUT_S: Final = 5.0


@dataclass(frozen=True)
class StoredFile:
    """A file; `path` is relative to the folder, with slashes."""

    path: str
    size_bytes: int
    written_at: datetime


class StateFolder(Protocol):
    """A folder of state. What is not there has no files, and need not be removed.

    Every method raises TransientError if the store is out of reach, and ConfigurationError if it refuses.
    """

    @property
    def uri(self) -> str:
        """The folder as Flink takes it, without a slash at its end."""

    def files(self, under: str = "") -> Iterator[StoredFile]:
        """Every file below the folder, or below a subfolder."""

    def subfolders(self, under: str) -> frozenset[str]:
        """Names of the folders right below a subfolder."""

    def remove(self, path: str = "") -> None:
        """Delete a file, or a folder with everything in it."""


def state_folder(uri: str, endpoint: str | None = None) -> StateFolder:
    """The folder of a `file:` or `s3:` URI; `endpoint`: address of an object store that is not Amazon's.

    Raises: ConfigurationError for any other scheme.
    """
    parts = urlsplit(uri)
    if parts.scheme == "s3" and parts.netloc:
        return Bucket(f"{parts.netloc}{parts.path}".rstrip("/"), endpoint)
    return LocalFolder(local_folder(uri))


def local_folder(uri: str) -> Path:
    """The folder of a `file:` URI; Flink takes the text after the scheme as it stands, without percent-decoding.

    Raises: ConfigurationError for any other.
    """
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise ConfigurationError(f"state {uri}: only a file:/// folder, or one in a bucket (s3://), can be searched")
    return Path(parts.path)


@dataclass(frozen=True)
class LocalFolder:
    """On this machine."""

    path: Path

    @property
    def uri(self) -> str:
        """See `StateFolder`."""
        return f"file://{self.path}"

    def files(self, under: str = "") -> Iterator[StoredFile]:
        """See `StateFolder`; what vanishes while it is listed was subsumed by a newer checkpoint."""
        for folder, _, names in os.walk(self.path / under):
            for file in (Path(folder) / name for name in names):
                try:
                    found = file.stat()
                except FileNotFoundError:
                    continue
                written_at = datetime.fromtimestamp(found.st_mtime, tz=timezone.utc)
                yield StoredFile(file.relative_to(self.path).as_posix(), found.st_size, written_at)

    def subfolders(self, under: str) -> frozenset[str]:
        """See `StateFolder`."""
        return frozenset(path.name for path in (self.path / under).glob("*") if path.is_dir())

    def remove(self, path: str = "") -> None:
        """See `StateFolder`."""
        gone = self.path / path
        if gone.is_dir():
            shutil.rmtree(gone, ignore_errors=True)
        else:
            gone.unlink(missing_ok=True)


@dataclass(frozen=True)
class Bucket:
    """In an object store that speaks S3; `path` is the bucket's name and a prefix.

    Region and login are where Amazon's own clients look for them: AWS_REGION, AWS_ACCESS_KEY_ID and so on, or the
    machine's role.
    """

    path: str
    endpoint: str | None = None

    @property
    def uri(self) -> str:
        """See `StateFolder`."""
        return f"s3://{self.path}"

    def files(self, under: str = "") -> Iterator[StoredFile]:
        """See `StateFolder`."""
        for info in self._listed(under, recursive=True):
            if info.is_file:
                yield StoredFile(info.path.removeprefix(f"{self.path}/"), info.size, info.mtime)

    def subfolders(self, under: str) -> frozenset[str]:
        """See `StateFolder`."""
        return frozenset(info.base_name for info in self._listed(under, recursive=False) if not info.is_file)

    def remove(self, path: str = "") -> None:
        """See `StateFolder`."""
        from pyarrow.fs import FileType

        with self._store() as store:
            gone = store.get_file_info(self._below(path))
            if gone.type == FileType.File:
                store.delete_file(gone.path)
            elif gone.type == FileType.Directory:
                store.delete_dir(gone.path)

    def _listed(self, under: str, *, recursive: bool) -> list[FileInfo]:
        from pyarrow.fs import FileSelector

        with self._store() as store:
            return list(store.get_file_info(FileSelector(self._below(under), True, recursive)))

    def _below(self, path: str) -> str:
        return f"{self.path}/{path}".rstrip("/")

    @contextmanager
    def _store(self) -> Iterator[S3FileSystem]:
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

        scheme, _, address = (self.endpoint or "https://").partition("://")
        try:
            yield S3FileSystem(
                scheme=scheme,
                endpoint_override=address or None,
                connect_timeout=TIMEOUT_S,
                request_timeout=TIMEOUT_S,
                retry_strategy=AwsStandardS3RetryStrategy(max_attempts=2),
            )
        except OSError as error:
            told = " ".join(str(error).split())
            if any(refusal in told for refusal in REFUSALS):
                raise ConfigurationError(f"{self.uri}: {told}: check the store's keys and their rights") from error
            raise TransientError(f"{self.uri}: the object store gives no usable answer: {told}; try again") from error
