"""Passwords: generated at the first start, one per file, readable by the owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

ROLES = ("owner", "writer", "reader", "auditor")
# All but the first are named after the settings that read them.
NAMES = ("postgres_superuser_password", *(f"pi3_postgres_{role}_password" for role in ROLES))


def ensure_passwords(folder: Path) -> None:
    """Generate what is missing; what exists is kept."""
    for name in NAMES:
        path = folder / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24))


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else could read at any moment (mode 0600 from its creation)."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        os.fchmod(file.fileno(), 0o600)  # of a file that was there, the mode above changes nothing
        file.write(text)
