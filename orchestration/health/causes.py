"""Why the stream is as it is: the causes that a diagnosis can name, and how grave each is."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Cause(str, Enum):
    """The values stand in the metadata of `stream_healthy` and in alerts."""

    LANDING = "landing"
    IDLE = "idle"
    CATCHING_UP = "catching_up"
    STARTING = "starting"
    STOPPED = "stopped"
    NOT_LAUNCHED = "not_launched"
    UNREACHABLE = "unreachable"
    RECOVERING = "recovering"
    SOURCE_UNREACHABLE = "source_unreachable"
    SINK_BLOCKED = "sink_blocked"
    CHECKPOINTS_FAILING = "checkpoints_failing"
    CRASH_LOOP = "crash_loop"
    STUCK = "stuck"
    LAGGING = "lagging"
    EVERY_RECORD_REJECTED = "every_record_rejected"
    RETENTION_NEAR = "retention_near"
    RETENTION_PASSED = "retention_passed"
    SOURCE_REPLACED = "source_replaced"
    ABSENT = "absent"
    AMBIGUOUS = "ambiguous"
    FENCED = "fenced"
    UNWANTED = "unwanted"


class Gravity(Enum):
    """How bad a cause is. UNTIL_STALLED: a warning, and an error once nothing has got on for a while, or it lasts."""

    FINE = "fine"
    WARN = "warn"
    UNTIL_STALLED = "until stalled"
    ERROR = "error"


FINE: Final = frozenset(
    {Cause.LANDING, Cause.IDLE, Cause.CATCHING_UP, Cause.STARTING, Cause.STOPPED, Cause.NOT_LAUNCHED}
)

# After these, only a commit shows that the stream goes on.
BROKEN: Final = frozenset(
    {
        Cause.UNREACHABLE,
        Cause.RECOVERING,
        Cause.SOURCE_UNREACHABLE,
        Cause.SINK_BLOCKED,
        Cause.CHECKPOINTS_FAILING,
        Cause.CRASH_LOOP,
        Cause.STUCK,
        Cause.ABSENT,
        Cause.AMBIGUOUS,
        Cause.FENCED,
    }
)

_UNTIL_STALLED = (Cause.RECOVERING, Cause.SOURCE_UNREACHABLE, Cause.SINK_BLOCKED, Cause.CHECKPOINTS_FAILING)
_WARN = (Cause.UNREACHABLE, Cause.LAGGING, Cause.RETENTION_NEAR, Cause.UNWANTED)

GRAVITY: Final[Mapping[Cause, Gravity]] = {
    **dict.fromkeys(Cause, Gravity.ERROR),
    **dict.fromkeys(FINE, Gravity.FINE),
    **dict.fromkeys(_WARN, Gravity.WARN),
    **dict.fromkeys(_UNTIL_STALLED, Gravity.UNTIL_STALLED),
}

# What the operator reads first; of the others the value does.
TITLES: Final[Mapping[Cause, str]] = {cause: cause.value.replace("_", " ") for cause in Cause} | {
    Cause.UNREACHABLE: "unknown",
    Cause.NOT_LAUNCHED: "not launched yet",
    Cause.ABSENT: "no job is active",
    Cause.AMBIGUOUS: "several jobs are active",
    Cause.UNWANTED: "a job runs that should be stopped",
    Cause.CRASH_LOOP: "crash loop",
    Cause.STUCK: "stuck",
}
