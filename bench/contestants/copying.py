"""Bare COPY of the rows that our job would land, by one connection or two: the limit of the table and its indexes."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from pathlib import Path

from bench.contestants.contestant import Contestant, Race, Starter, running, sessions
from bench.processes import Program
from bench.programs.handwritten import lines_with_provenance
from bench.table import EVENTS
from orchestration.ledger.deep_records import BulkReader
from orchestration.resources.brokers import Brokers

__all__ = ["COPY_1", "COPY_2"]


def _starter(connections: int) -> Starter:
    def start(race: Race) -> AbstractContextManager[list[Program]]:
        return running(
            [
                Program(
                    f"copy-{n}",
                    (sys.executable, "-m", "bench.programs.copy_rows", str(file)),
                    race.site.folder / f"{race.run}-{n}.log",
                    sessions(race.site),
                )
                for n, file in enumerate(_files(race, connections), 1)
            ]
        )

    return start


def _files(race: Race, count: int) -> list[Path]:
    """The topic's rows in so many files, written once."""
    key = f"{race.topic}-copy-{count}"
    if key not in race.kept:
        files = [race.site.stack.paths.run / f"{key}-{n}" for n in range(count)]
        for n, file in enumerate(files):
            _write(race, file, n, count)
        race.kept[key] = files
    found: list[Path] = race.kept[key]
    return found


def _write(race: Race, file: Path, part: int, parts: int) -> None:
    """Every so many partitions, beginning with the `part`th."""
    site = race.site
    spans = site.kafka.offsets(race.topic)
    with (
        BulkReader(Brokers.of(site.settings), race.topic) as reader,
        file.open("w", encoding="utf-8") as out,
    ):
        for partition in sorted(spans)[part::parts]:
            for batch in reader.batches(partition, spans[partition]):
                out.writelines(line for _, line in lines_with_provenance(batch.records))


COPY_1 = Contestant("copy-1", _starter(1), EVENTS)
COPY_2 = Contestant("copy-2", _starter(2), EVENTS)
