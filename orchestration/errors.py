"""Errors, split by what the caller can do about them.

    Pi3Error
    ├── ConfigurationError   fix a setting or a server, then try again; retrying alone cannot help
    └── TransientError       a server did not answer in time; retrying may help

A record that cannot be used is no error of the program: it is a verdict (`contract.Reason`) and becomes a dead letter.
"""

from __future__ import annotations

__all__ = ["ConfigurationError", "Pi3Error", "TransientError"]


class Pi3Error(Exception):
    """Base of every error that this project raises on purpose; its message says what, where and what to do next."""


class ConfigurationError(Pi3Error):
    """A setting, or the state of a server, is wrong; the message names the fix."""


class TransientError(Pi3Error):
    """A server is out of reach or too slow for now; a retry may succeed."""
