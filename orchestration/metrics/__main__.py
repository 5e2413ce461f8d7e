"""`python -m orchestration.metrics --port 9251`: what Dagster knows of the stream, for Prometheus."""

from __future__ import annotations

import argparse

from orchestration.metrics.exporter import serve
from orchestration.settings import load_settings


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m orchestration.metrics", description="An endpoint for Prometheus.")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9251, help="the port to listen on (default: %(default)s)")
    options = parser.parse_args()
    _, thread = serve(load_settings().dagster_url, options.host, options.port)
    thread.join()


if __name__ == "__main__":
    main()
