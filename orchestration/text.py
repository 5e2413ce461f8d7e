"""Text that people see."""

from __future__ import annotations


def printable(text: str) -> str:
    """Text as one line that no terminal or browser takes for anything else: what is not printable is escaped."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def one_line(words: object) -> str:
    """What an error says, for one: its lines joined, as libpq's words have several."""
    return " ".join(str(words).split())


def as_text(value: bytes) -> str:
    """Bytes as text: what is no UTF-8 is escaped with a backslash."""
    return value.decode("utf-8", "backslashreplace")
