"""Errors that end a run."""

from __future__ import annotations


class UsageError(Exception):
    """The caller must change something; nothing was sent. The message says what, where and what to do."""


class PublishError(Exception):
    """The Kafka client cannot go on, as after a fatal error of the idempotent producer."""


class StopRequested(Exception):  # noqa: N818
    """SIGTERM or SIGINT came: no error, but it must leave a blocking read at once."""
