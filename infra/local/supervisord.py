"""supervisord as servers need it that must come back by themselves: `python -m infra.local.supervisord -c FILE`.

It tries again for as long as it runs, never more than a few seconds later: of itself it waits a second longer each time
and then gives up, so a disk that was full for minutes would leave its server down. And it starts servers with the
kernel's own signal dispositions: the ignored ones of whoever started the stack (a shell's background job, nohup,
Python's SIGPIPE) would be inherited by all of them.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence

from supervisor import process, supervisord
from supervisor.states import ProcessStates

LONGEST_WAIT_S = 5


class Server(process.Subprocess):  # type: ignore[misc] # supervisor is untyped
    """A supervised program."""

    delay: float  # Unix time in seconds of the next attempt

    def change_state(self, new_state: int, expected: bool = True) -> None:
        """Bound the wait before the next attempt."""
        super().change_state(new_state, expected)
        if new_state == ProcessStates.BACKOFF:
            self.delay = min(self.delay, time.time() + LONGEST_WAIT_S)

    def _spawn_as_child(self, filename: str, argv: Sequence[str]) -> None:
        forget_signals()
        super()._spawn_as_child(filename, argv)


def forget_signals() -> None:
    """Give every signal its default disposition, and block none."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


if __name__ == "__main__":
    process.Subprocess = Server
    supervisord.main()
