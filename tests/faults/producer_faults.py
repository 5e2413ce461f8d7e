"""Faults of the producer, and of what it sends."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path
from typing import Final

from contract.event import MAX_RECORD_BYTES
from orchestration.settings import REPOSITORY
from tests.faults.fault import Fault, Since
from tests.faults.process_faults import Pause
from tests.faults.site import Site


class ProducerEnded(Fault):
    """A signal ends the producer; another one begins afterwards."""

    group = "producer"

    def __init__(self, name: str, number: signal.Signals, exit_code: int) -> None:
        self.name = name
        self._number = number
        self._exit_code = exit_code
        self._unanswered: int | None = None

    def inject(self, site: Site) -> None:
        """Send the signal."""
        site.load.signal(self._number)

    def bit(self, site: Site) -> bool:
        """It has ended, as such a signal ends it."""
        if site.load.exit_code != self._exit_code:
            return False
        if self._exit_code == 0 and self._unanswered is None:
            report = site.load.report()
            self._unanswered = report["sent"] - report["acknowledged"]
        return True

    def end(self, site: Site) -> None:
        """Let another producer go on."""
        site.load.start()

    def complaints(self, site: Site) -> list[str]:
        """One that was asked to end has flushed all that it held."""
        del site
        return [f"ended with {self._unanswered} records unanswered"] if self._unanswered else []


class ProducerPaused(Fault):
    """The producer stands still for a while, and its connections with it."""

    name = "producer-pause-20s"
    group = "producer"
    duration_s = 20.0

    def inject(self, site: Site) -> None:
        """Stop it."""
        site.load.signal(signal.SIGSTOP)

    def bit(self, site: Site) -> bool:
        """Nothing is sent, so nothing lands."""
        return site.stands_still()

    def end(self, site: Site) -> None:
        """Let it go on."""
        site.load.signal(signal.SIGCONT)


class QueueFull(Pause):
    """The broker stands still for so long that the producer's queue is full and it must wait."""

    def __init__(self) -> None:
        super().__init__(
            "producer-queue-full",
            "producer",
            "kafka",
            duration_s=60.0,
            red="stream_healthy",
            causes=("source_unreachable",),
        )
        self._sent = (0, 0.0)

    def bit(self, site: Site) -> bool:
        """The producer, which goes on reporting, takes no further record."""
        sent = int(site.load.report().get("sent", 0))
        if sent != self._sent[0]:
            self._sent = (sent, time.monotonic())
        return sent > 0 and time.monotonic() - self._sent[1] > 4


class Oversized(Fault):
    """A second producer sends records above the limit, each between one just below it and a small one."""

    name = "producer-oversized-records"
    group = "producer"
    _NUMBER: Final = 10

    def __init__(self) -> None:
        self._token = ""
        self._report = Path()

    def inject(self, site: Site) -> None:
        """Send them all."""
        self._token = f"oversized-{secrets.token_hex(4)}"
        folder = site.stack.paths.root / "trials" / self.name
        folder.mkdir(parents=True, exist_ok=True)
        file, self._report = folder / "events.ndjson", folder / "report.json"
        sizes = {"small": 100, "large": 900_000, "oversize": MAX_RECORD_BYTES + 1}
        with file.open("wb") as lines:
            for number in range(self._NUMBER):
                for kind, size in sizes.items():
                    lines.write(_event(f"{self._token}-{kind}-{number}", size) + b"\n")
        command = (sys.executable, "-W", "ignore", "-m", "producer", "--file", str(file), "--report", str(self._report),
                   "--bootstrap-servers", site.producer_servers, "--topic", site.settings.kafka_topic)  # fmt: skip
        subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=60)

    def bit(self, site: Site) -> bool:
        """Each of them was refused."""
        del site
        return bool(json.loads(self._report.read_text())["refused"] == self._NUMBER)

    def recovered(self, site: Site, since: Since) -> float | None:
        """When the neighbours had landed, and later rows too."""
        landed = site.execute(
            "SELECT count(*), extract(EPOCH FROM max(landed_at))::float8 FROM events WHERE starts_with(event_id, %s)",
            self._token,
        )[0]
        if landed[0] < 2 * self._NUMBER or site.first_landed(since.struck_at, since.ended_at) is None:
            return None
        return float(landed[1])

    def complaints(self, site: Site) -> list[str]:
        """None of the refused ones has landed."""
        landed = site.execute("SELECT count(*) FROM events WHERE starts_with(event_id, %s)", f"{self._token}-oversize")
        return [f"{landed[0][0]} oversized records landed"] if landed[0][0] else []


def _event(event_id: str, size_bytes: int) -> bytes:
    """An event of about that size whose padding no compression makes smaller."""
    padding = b64encode(os.urandom(size_bytes * 3 // 4)).decode()
    return json.dumps({"event_id": event_id, "user_name": "o", "location": "o", "padding": padding}).encode()


FAULTS: Final[tuple[Fault, ...]] = (
    ProducerEnded("producer-kill", signal.SIGKILL, -signal.SIGKILL),
    ProducerEnded("producer-terminate", signal.SIGTERM, 0),
    ProducerPaused(),
    QueueFull(),
    Oversized(),
)
