"""Whether a server within this container answers: `python3 -m infra.containers.health URL|PORT` ends with 0 or 1.

The standard library alone, for it is started every few seconds.
"""

from __future__ import annotations

import socket
import sys
import urllib.request

LIMIT_S = 3.0


def answers(where: str) -> bool:
    """Of a URL: that it is served with success; of a port: that somebody accepts a connection."""
    try:
        if where.isdecimal():
            socket.create_connection(("127.0.0.1", int(where)), LIMIT_S).close()
            return True
        with urllib.request.urlopen(where, timeout=LIMIT_S) as response:  # noqa: S310 - from compose.yaml
            return bool(response.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if answers(sys.argv[1]) else 1)
