"""The job's format and sink, compiled from `flink_jobs/java` at set-up."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from infra.local.errors import SetupError
from infra.local.java import java_home
from infra.local.paths import REPOSITORY

SOURCES: Final = REPOSITORY / "flink_jobs" / "java"
# The oldest Java that Flink 2.3's images run.
RELEASE: Final = "17"


def build(folder: Path, compiler: Path, libraries: Iterable[Path]) -> Path:
    """The connector's jar in `folder`, named by what it is made from; one that is there already is not made again.

    Raises:
        SetupError: the sources do not compile; the message holds what the compiler says.
    """
    sources = sorted(path for path in SOURCES.rglob("*") if path.is_file())
    jar = folder / f"pi3-connector-{_digest(sources, compiler)}.jar"
    if not jar.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            classes = Path(scratch) / "classes"
            compile_java([path for path in sources if path.suffix == ".java"], compiler, libraries, classes)
            _pack(classes, Path(scratch) / jar.name)
            (Path(scratch) / jar.name).replace(jar)
    return jar


def compile_java(sources: Iterable[Path], compiler: Path, libraries: Iterable[Path], classes: Path) -> None:
    """Compile into the folder `classes`; a warning counts as an error.

    Raises:
        SetupError: with what the compiler says.
    """
    options = ["-source", RELEASE, "-target", RELEASE, "-proc:none", "-failOnWarning", "-d", str(classes)]
    class_path = ":".join(map(str, libraries))
    command = [str(java_home() / "bin" / "java"), "-jar", str(compiler), *options, "-classpath", class_path]
    done = subprocess.run([*command, *map(str, sources)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"{SOURCES} does not compile: {done.stdout}{done.stderr}")


def _digest(sources: Iterable[Path], compiler: Path) -> str:
    found = hashlib.sha256(f"{compiler.name} {RELEASE}".encode())
    for path in sources:
        found.update(path.relative_to(SOURCES).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:12]


def _pack(classes: Path, jar: Path) -> None:
    """With fixed times, so that equal sources give equal bytes."""
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as archive:
        for root, pattern in ((classes, "**/*.class"), (SOURCES, "META-INF/**/*")):
            for path in sorted(path for path in root.glob(pattern) if path.is_file()):
                archive.writestr(zipfile.ZipInfo(path.relative_to(root).as_posix()), path.read_bytes())
