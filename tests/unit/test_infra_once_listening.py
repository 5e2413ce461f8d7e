from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import closing

COMMAND = (sys.executable, "-c", "import os; print(os.getpid())")


def test_the_command_takes_over_once_something_listens() -> None:
    with closing(socket.socket()) as server:
        server.bind(("127.0.0.1", 0))
        host, port = server.getsockname()
        waiting = (sys.executable, "-m", "infra.local.once_listening", host, str(port), *COMMAND)
        with subprocess.Popen(waiting, stdout=subprocess.PIPE, text=True) as program:
            time.sleep(1.0)
            assert program.poll() is None
            server.listen()
            told, _ = program.communicate(timeout=30)
        assert (program.returncode, int(told)) == (0, program.pid)
