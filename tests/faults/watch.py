"""Looks, all the time, at how many jobs of our name are active: there must never be two."""

from __future__ import annotations

import threading
from types import TracebackType

from orchestration.errors import Pi3Error
from orchestration.flink.client import FlinkClient

_INTERVAL_S = 0.5


class JobWatch:
    """Within `with`, `most` is the largest number that was seen; an unreachable JobManager tells nothing."""

    def __init__(self, client: FlinkClient, job_name: str) -> None:
        self._client = client
        self._job_name = job_name
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="job-watch", daemon=True)
        self.most = 0

    def __enter__(self) -> JobWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(_INTERVAL_S):
            try:
                self.most = max(self.most, len(self._client.active_jobs(self._job_name)))
            except Pi3Error:
                continue
