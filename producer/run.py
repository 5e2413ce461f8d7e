"""One run of the producer: from a source to the broker, at a pace, reporting as it goes."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from producer.errors import StopRequested, UsageError
from producer.journal import Journal
from producer.pace import Pace
from producer.publisher import ClientErrors, KafkaClient, Publisher
from producer.record import Record
from producer.report import Report, State, write_atomically

_REPORT_INTERVAL_S: Final = 1.0
_PROGRESS_INTERVAL_S: Final = 2.0
_FLUSH_SLICE_S: Final = 0.2
# A supervisor kills what does not stop; this leaves time to write the last report.
_STOP_FLUSH_S: Final = 20.0
_RECORDS_PER_POLL: Final = 256


class Reporter:
    """Writes the report file, if any, about every second, and a line of progress to standard error every two."""

    def __init__(self, report: Report, path: Path | None, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.report = report
        self._path = path
        self._clock_s = clock_s
        self._next_report_s = clock_s()
        self._next_progress_s = clock_s() + _PROGRESS_INTERVAL_S

    def start(self) -> None:
        """Write the first report. Raises UsageError if that cannot be."""
        if not self.write():
            raise UsageError(f"--report {self._path} cannot be written: choose another path or make room")

    def tick(self) -> None:
        """Write what is due."""
        now_s = self._clock_s()
        if now_s >= self._next_report_s:
            self._next_report_s = now_s + _REPORT_INTERVAL_S
            self.write()
        if now_s >= self._next_progress_s:
            self._next_progress_s = now_s + _PROGRESS_INTERVAL_S
            sys.stderr.write(f"producer: {self.report.progress(time.time())}\n")

    def write(self) -> bool:
        """Write the report file now, if there is one; false, with a warning, if that fails.

        A full disk must not stop the sending, nor the flush at its end.
        """
        try:
            if self._path is not None:
                write_atomically(self._path, self.report.as_dict(time.time()))
        except OSError as error:
            sys.stderr.write(f"producer: the report was not written: {error}\n")
            return False
        return True


class Run:
    """The life of one producer. ``stop`` may be called from a signal handler."""

    def __init__(self, reporter: Reporter, errors: ClientErrors, journal: Journal | None = None) -> None:
        self._reporter = reporter
        self._report = reporter.report
        self._errors = errors
        self._journal = journal
        self._client: KafkaClient | None = None
        self._stopping = False

    def stop(self) -> None:
        """Ask the run to read no further and flush."""
        self._stopping = True

    def breathe(self, wait_s: float = 0.0) -> None:
        """Serve the client for up to ``wait_s`` and the report; raises StopRequested once ``stop`` was called."""
        if self._client is not None:
            self._client.poll(wait_s)
        self._tick()
        if self._stopping:
            raise StopRequested

    def publish(self, client: KafkaClient, records: Iterable[Record], rate_per_s: float, count: int) -> None:
        """Send ``records``, at most ``count`` if that is not 0, and wait until each is answered or, after ``stop``, for
        20 s. The outcome is in the report. Raises PublishError and what ``records`` raises.
        """
        self._client = client
        report = self._report
        publisher = Publisher(client, report.topic, report.counts, self._errors, self.breathe, journal=self._journal)
        pace = Pace(rate_per_s, self.breathe)
        try:
            self.breathe()
            for number, record in enumerate(itertools.islice(records, count or None), start=1):
                pace.wait()
                publisher.send(record)
                if number % _RECORDS_PER_POLL == 0:
                    self.breathe()
        except StopRequested:
            pass
        finally:
            self._flush(client)
        self._conclude()

    def _flush(self, client: KafkaClient) -> None:
        give_up_s = float("inf")
        while client.flush(_FLUSH_SLICE_S) and time.monotonic() < give_up_s and not self._errors.fatal:
            self._tick()
            if self._stopping:
                give_up_s = min(give_up_s, time.monotonic() + _STOP_FLUSH_S)

    def _conclude(self) -> None:
        counts = self._report.counts
        if counts.failed or counts.unanswered:
            self._report.state = State.FAILED
            self._report.error = f"{counts.failed} records failed, {counts.unanswered} unanswered"
            if self._errors.last:
                self._report.error += f": {self._errors.last}"
        else:
            self._report.state = State.STOPPED if self._stopping else State.FINISHED

    def _tick(self) -> None:
        self._report.broker_error = self._errors.last
        self._reporter.tick()
