"""What can go wrong between Dagster and Flink, by what the caller can do about it.

TransientError
├── FlinkUnreachable     no answer: the JobManager is down, starting, or too slow
│   └── FlinkNotReady    it answers that it cannot tell yet
├── FlinkConflict        somebody else has changed what runs meanwhile
├── FlinkTimeout         Flink answers, but what was waited for did not happen in time
└── SubmitFailed         the submitting program failed for a reason that may pass
ConfigurationError
├── FlinkRejected        Flink refused the request
│   └── FlinkNotFound    it knows no such job, savepoint request or vertex
├── SubmitRejected       the submitting program refused its input
└── AmbiguousJob         more than one job of the same name runs
"""

from __future__ import annotations

from orchestration.errors import ConfigurationError, TransientError

__all__ = [
    "AmbiguousJob",
    "FlinkConflict",
    "FlinkNotFound",
    "FlinkNotReady",
    "FlinkRejected",
    "FlinkTimeout",
    "FlinkUnreachable",
    "RestoreFailed",
    "SubmitFailed",
    "SubmitRejected",
]


class FlinkUnreachable(TransientError):  # noqa: N818 - named for what it says, as requests does
    """The JobManager's REST endpoint gave no answer."""


class FlinkNotReady(FlinkUnreachable):
    """The JobManager does not lead yet, or is still restoring the job."""


class FlinkConflict(TransientError):  # noqa: N818
    """Somebody else has changed it since it was read; nothing was done."""


class FlinkTimeout(TransientError):  # noqa: N818
    """A state that was waited for did not come."""


class SubmitFailed(TransientError):  # noqa: N818
    """The submitting program failed."""


class RestoreFailed(SubmitFailed):
    """The restore point is damaged, gone, or of another job."""


class FlinkRejected(ConfigurationError):  # noqa: N818
    """Flink understood the request and refused it."""


class FlinkNotFound(FlinkRejected):
    """Flink knows nothing of this id."""


class SubmitRejected(ConfigurationError):  # noqa: N818
    """The submitting program says that its input is wrong."""


class AmbiguousJob(ConfigurationError):  # noqa: N818
    """Several jobs of one name run; a person has to say which one to keep."""
