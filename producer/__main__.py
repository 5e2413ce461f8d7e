"""``python -m producer``."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence

from producer.cli import Options, options_from
from producer.counts import Counts
from producer.errors import PublishError, UsageError
from producer.files import FileRecords
from producer.journal import Journal
from producer.publisher import ClientErrors, connect
from producer.record import Record
from producer.report import Report, State
from producer.run import Reporter, Run
from producer.stream import EventStream

_EXIT_FAILED = 1
_EXIT_USAGE = 2
_STDIN = 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the producer and give its exit code."""
    try:
        options = options_from(sys.argv[1:] if arguments is None else arguments)
    except UsageError as error:
        print(f"producer: {error}", file=sys.stderr)
        return _EXIT_USAGE
    reporter = Reporter(_report(options), options.report)
    report = reporter.report
    code = _EXIT_FAILED
    try:
        _publish(options, reporter)
    except (UsageError, PublishError, OSError) as error:
        report.state, report.error = State.FAILED, str(error)
        code = _EXIT_USAGE if isinstance(error, UsageError) else _EXIT_FAILED
    reporter.write()
    if report.error:
        print(f"producer: {report.error}", file=sys.stderr)
    if code != _EXIT_USAGE:
        print(json.dumps(report.as_dict(time.time())))
    return code if report.state is State.FAILED else 0


def _report(options: Options) -> Report:
    generates = options.file is None
    return Report(
        producer_id=options.producer_id,
        topic=options.topic,
        source=options.source,
        seed=options.seed if generates else None,
        started_at=time.time(),
        counts=Counts(),
        judged=generates,
    )


def _publish(options: Options, reporter: Reporter) -> None:
    errors = ClientErrors()
    journal = Journal(options.journal, options.seed) if options.journal else None
    run = Run(reporter, errors, journal)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: run.stop())
    reporter.start()
    records = _records(options, reporter.report, run)
    client = connect(options.bootstrap_servers, options.topic, options.producer_id, errors, options.client_options)
    reporter.report.started_at = time.time()
    run.publish(client, records, options.rate_per_s, options.count)


def _records(options: Options, report: Report, run: Run) -> Iterable[Record]:
    if options.file is None:
        return EventStream(options.seed, options.shares, lambda: time.time_ns() // 1_000_000)
    records = FileRecords(_open(options.file), options.file_format, run.breathe)
    report.duplicates_exact = lambda: records.duplicates_exact
    return records


def _open(file: str) -> int:
    """A file descriptor, open until the process ends."""
    if file == "-":
        return _STDIN
    try:
        return os.open(file, os.O_RDONLY)
    except OSError as error:
        raise UsageError(f"--file {file} cannot be read ({error.strerror}): check the path") from error


if __name__ == "__main__":
    sys.exit(main())
