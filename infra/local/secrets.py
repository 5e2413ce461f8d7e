"""Passwords: generated at the first start, one per file, readable by the owner alone."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

# The last three are named after the settings that read them.
NAMES = ("postgres_superuser_password", "pi3_postgres_owner_password", "pi3_postgres_writer_password",
         "pi3_postgres_reader_password")  # fmt: skip


def ensure_passwords(folder: Path) -> None:
    """Generate what is missing; what exists is kept."""
    for name in NAMES:
        path = folder / name
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24))


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else could read at any moment (mode 0600 from its creation)."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
