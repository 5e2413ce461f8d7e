"""Jars by Maven coordinates, each pinned by SHA-256 in `infra/jars.lock`.

`python -m infra.local.jars` writes the lock anew (only when a version is raised); `fetch` is what set-up calls.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from infra.local.errors import SetupError

LOCK = Path(__file__).resolve().parents[1] / "jars.lock"
PROGRESS_INTERVAL_S = 2.0

# Who needs which jar; dependencies are resolved once, when the lock is written.
WANTED = {
    "kafka": (
        "org.apache.kafka:kafka_2.13:4.3.1",
        "org.apache.kafka:kafka-clients:4.3.1",
        "org.apache.logging.log4j:log4j-slf4j2-impl:2.25.3",
    ),
    "flink": (
        "org.apache.flink:flink-sql-connector-kafka:5.0.0-2.2",
        "org.postgresql:postgresql:42.7.14",
    ),
    # The Java runtime that comes as a Python package has no compiler.
    "compiler": ("org.eclipse.jdt:ecj:3.44.0",),
    # In Kafka and Flink, if their metrics are wanted.
    "metrics": ("io.prometheus.jmx:jmx_prometheus_javaagent:1.0.1",),
}
# Flink itself brings what its connectors need, and the agent's jar holds all of its own.
SELF_CONTAINED = ("flink", "metrics")


@dataclass(frozen=True)
class LockedJar:
    """One line of the lock: the server that loads the jar, its coordinates and its checksum."""

    server: str
    coordinates: str
    sha256: str


def read_lock(lock: Path = LOCK) -> list[LockedJar]:
    """Parse `server group:artifact:version sha256` lines; blank lines and `#` comments are skipped."""
    lines = (line.split("#")[0].split() for line in lock.read_text().splitlines())
    return [LockedJar(*fields) for fields in lines if fields]


def fetch(cache: Path, jars: Iterable[LockedJar], say: Callable[[str], None] = print) -> dict[LockedJar, Path]:
    """Bring every jar into `cache` (a Maven repository folder); what is there already is not downloaded again.

    `say` is told of the progress when it takes longer than two seconds.

    Raises:
        SetupError: a jar is not to be had, or its checksum differs from the lock.
    """
    wanted = list(jars)
    fetched: dict[LockedJar, Path] = {}
    told_at = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        for jar, path in zip(wanted, pool.map(lambda jar: _fetch_one(cache, jar), wanted), strict=True):
            fetched[jar] = path
            if time.monotonic() - told_at > PROGRESS_INTERVAL_S:
                told_at = time.monotonic()
                say(f"  {len(fetched)} of {len(wanted)} jars are here")
    return fetched


def _fetch_one(cache: Path, jar: LockedJar) -> Path:
    path = _download(cache, jar)
    if _sha256(path) == jar.sha256:
        return path
    path.unlink()  # an interrupted download looks like this, so one clean attempt is fair
    path = _download(cache, jar)
    if _sha256(path) != jar.sha256:
        path.unlink()
        raise SetupError(
            f"{jar.coordinates} does not match its SHA-256 in {LOCK.name}: the repository served another file; "
            "check your Maven mirror, then run the command again"
        )
    return path


def _download(cache: Path, jar: LockedJar) -> Path:
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=cache, local_repos=[], timeout=60)
    try:
        return Path(context.create_dependency(jar.coordinates).artifact.resolve())
    except Exception as error:  # jgo raises requests' errors, RuntimeError or AssertionError alike
        raise SetupError(
            f"cannot download {jar.coordinates} ({type(error).__name__}): check the network or proxy settings, "
            "then run the command again; what was fetched so far is kept"
        ) from error


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def resolve(
    server: str, coordinates: Iterable[str], cache: Path, *, transitive: bool, left_out: tuple[str, ...] = ()
) -> list[LockedJar]:
    """The jars of these coordinates and, if `transitive`, all that they need, each with its checksum.

    What begins with one of `left_out` is not among them.
    """
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=cache, timeout=60)
    resolved = wanted = [context.create_dependency(name) for name in coordinates]
    if transitive:
        inputs, needed = context.resolver.resolve(wanted)
        resolved = [*inputs, *(d for d in needed if d.scope in (None, "compile", "runtime") and not d.optional)]
    named = {f"{a.groupId}:{a.artifactId}:{a.version}": a for a in (dependency.artifact for dependency in resolved)}
    return [LockedJar(server, n, _sha256(a.resolve())) for n, a in named.items() if not n.startswith(left_out)]


def write_lock(lock: Path, jars: Iterable[LockedJar]) -> None:
    """Write what `read_lock` reads; a server's jars in order."""
    ordered = [jar for _, group in groupby(jars, lambda jar: jar.server) for jar in sorted(group, key=_by_name)]
    lock.write_text("".join(f"{jar.server} {jar.coordinates} {jar.sha256}\n" for jar in ordered))


def _by_name(jar: LockedJar) -> str:
    return jar.coordinates


def main() -> None:
    """Resolve `WANTED` and write the lock."""
    cache = Path(".stack/maven")
    jars = [
        jar
        for server, names in WANTED.items()
        for jar in resolve(server, names, cache, transitive=server not in SELF_CONTAINED)
    ]
    write_lock(LOCK, jars)


if __name__ == "__main__":
    main()
