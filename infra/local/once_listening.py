"""`python -m infra.local.once_listening HOST PORT COMMAND…`: becomes the command once something listens there.

Supervisord starts programs in an order and waits for none of them.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Final

from infra.local.supervisor import wait_until

# Then the command may tell by itself what it lacks.
PATIENCE_S: Final = 60.0


def main() -> None:
    """Wait, and let the command take this process over."""
    host, port, *command = sys.argv[1:]
    wait_until(lambda: listening(host, int(port)), PATIENCE_S)
    os.execv(command[0], command)


def listening(host: str, port: int) -> bool:
    """Whether a connection is accepted there."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    main()
