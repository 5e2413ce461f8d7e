"""Put together what the image needs besides packages: jars, the sink, and the Java runtime's class archive."""

from __future__ import annotations

from infra.containers.site import ROOT
from infra.local import flink, jars, java, sink
from infra.local.paths import StackPaths


def main() -> None:
    """Run while the image is built."""
    paths = StackPaths(ROOT)
    fetched = jars.fetch(paths.maven, jars.read_lock())
    connectors = [path for jar, path in fetched.items() if jar.server == "flink"]
    compiler = next(path for jar, path in fetched.items() if jar.server == "compiler")
    connectors.append(sink.build(paths.built, compiler, [*flink.own_jars(), *connectors]))
    java.link_jars(paths.lib / "kafka", [path for jar, path in fetched.items() if jar.server == "kafka"])
    java.link_jars(paths.lib / "flink", [*flink.own_jars(), *connectors])
    java.prepare_shared_classes(paths)
    compiler.unlink()


if __name__ == "__main__":
    main()
