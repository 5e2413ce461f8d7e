"""Put together what the image needs besides packages: the jars, and the sink."""

from __future__ import annotations

import sys
from pathlib import Path

from infra.local import flink, jars, java, sink
from infra.local.paths import StackPaths


def main(root: str) -> None:
    """Run while the image is built; `root` is where its servers will look."""
    paths = StackPaths(Path(root))
    fetched = jars.fetch(paths.maven, jars.read_lock())
    connectors = [path for jar, path in fetched.items() if jar.server == "flink"]
    compiler = next(path for jar, path in fetched.items() if jar.server == "compiler")
    connectors.append(sink.build(paths.built, compiler, [*flink.own_jars(), *connectors]))
    java.link_jars(paths.lib / "kafka", [path for jar, path in fetched.items() if jar.server == "kafka"])
    java.link_jars(paths.lib / "flink", [*flink.own_jars(), *connectors])
    compiler.unlink()


if __name__ == "__main__":
    main(sys.argv[1])
