"""What the Markdown of every experiment is made of. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from bench.figures import Spread, spread

__all__ = ["SERVERS", "Figures", "around_median", "counted", "median_of", "plain", "table", "voids"]

Figures = Mapping[str, Any]
SERVERS: Final = ("kafka", "postgres", "flink-jobmanager", "flink-taskmanager")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are figures."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def counted(results: Iterable[Figures], key: str = "contestant") -> dict[str, list[Figures]]:
    """The results that count, by contestant: no warm-up (run 0), none that is void."""
    found: dict[str, list[Figures]] = defaultdict(list)
    for result in results:
        if result.get("run", 1) and not result.get("void"):
            found[str(result[key])].append(result)
    return dict(found)


def voids(results: Iterable[Figures]) -> str:
    """A line for each run that does not count, with the reason."""
    lines = []
    for result in results:
        if result.get("void"):
            # Where runs are numbered, the rate is a result; else it was given.
            keys = ("contestant", "dimension", "value", "run" if "run" in result else "rate")
            what = [str(result[key]) for key in keys if key in result]
            lines.append(f"- void: {' '.join(what)}: {result['void']}\n")
    return "".join(lines)


def median_of(values: Iterable[float]) -> float:
    """The median, 0 of no values."""
    found = spread(list(values))
    return found.median if found else 0.0


def plain(value: Spread | None, digits: int) -> str:
    """Median and span in absolute figures."""
    if value is None:
        return ""
    span = f" ({value.least:.{digits}f}-{value.greatest:.{digits}f})" if value.count > 1 else ""
    return f"{value.median:.{digits}f}{span}"


def around_median(value: Spread) -> str:
    """Least and greatest as shares of the median."""
    return f"{value.least / value.median:.2f}-{value.greatest / value.median:.2f}" if value.count > 1 else "one run"
