"""A launcher that is killed: `python -m tests.acceptance.launcher STEP AFTER_S` ends itself once STEP has begun."""

from __future__ import annotations

import os
import signal
import sys
import threading

from orchestration.defs.resources import resources
from orchestration.settings import load_settings
from orchestration.streaming_job import StreamingJob


def main(step: str, after_s: float) -> None:
    """Launch the stream, but die with SIGKILL `after_s` after the first step that begins with these words."""

    def tell(told: str) -> None:
        if told.startswith(step):
            killer = threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGKILL))
            killer.start()
            if not after_s:
                killer.join()

    stream: StreamingJob = resources(load_settings())["stream"]
    stream.telling(tell).ensure_running()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
