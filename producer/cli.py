"""The flags of ``python -m producer``; a JSON file may give their defaults."""

from __future__ import annotations

import argparse
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from producer.errors import UsageError
from producer.stream import Shares

STACK_CONFIG: Final = Path(__file__).resolve().parents[1] / ".stack" / "run" / "producer.json"
_TOPIC: Final = "topic_splitpay"
_GENERATED_RATE_PER_S: Final = 1_000.0
_DESCRIPTION: Final = """\
Send SplitPay events to a Kafka topic: generated ones or, with --file, your own. While the local stack runs,
`python -m producer --count 1000` needs nothing else. SIGTERM or Ctrl-C flushes and stops.
Ends with 0 when all was acknowledged or it was stopped, 1 when records failed, 2 when you have to change something."""


@dataclass(frozen=True)
class Options:
    """A run's settings, checked. ``rate_per_s`` 0 is flat out, ``count`` 0 without end; no ``file`` means generate."""

    bootstrap_servers: str
    topic: str
    producer_id: str
    rate_per_s: float
    count: int
    seed: int
    shares: Shares
    file: str | None
    file_format: str
    report: Path | None
    journal: Path | None
    client_options: Mapping[str, str]

    @property
    def source(self) -> str:
        """Where the records come from, for the report."""
        if self.file is None:
            return "generator"
        return "stdin" if self.file == "-" else self.file


def options_from(arguments: Sequence[str], stack_config: Path = STACK_CONFIG) -> Options:
    """Parse the flags. Raises UsageError, and SystemExit as argparse does."""
    parser = _parser()
    config = parser.parse_known_args(arguments)[0].config
    if config is not None or stack_config.is_file():
        parser.set_defaults(**_read_config(config or stack_config, parser))
    flags = parser.parse_args(arguments)
    _check(flags)
    generates = flags.file is None
    return Options(
        bootstrap_servers=flags.bootstrap_servers,
        topic=flags.topic,
        producer_id=flags.id or f"producer-{os.getpid()}",
        rate_per_s=flags.rate if flags.rate is not None else _GENERATED_RATE_PER_S if generates else 0.0,
        count=flags.count,
        # Without a seed two runs must not send the same ids: the second would only update the first one's rows.
        seed=flags.seed if flags.seed is not None else secrets.randbits(32),
        shares=Shares(flags.malformed_share, flags.late_share, flags.duplicate_share),
        file=flags.file,
        file_format=_format(flags.file, flags.format),
        report=flags.report,
        journal=flags.journal,
        client_options=_client_options(flags.client_options),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m producer", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--bootstrap-servers", metavar="HOST:PORT", help="the Kafka brokers")
    add("--topic", default=_TOPIC, help="default: %(default)s")
    add("--rate", type=float, metavar="N", help="events/s, 0 is flat out; default: 1000 generated, a file flat out")
    add("--count", type=int, default=0, metavar="N", help="events to send, 0 is for ever or the whole file (default)")
    add("--seed", type=int, metavar="N", help="the same seed gives the same events; default: another one each run")
    add("--malformed-share", type=float, default=0.0, metavar="SHARE", help="0 to 1, of the generated events")
    add("--late-share", type=float, default=0.0, metavar="SHARE", help="created hours ago")
    add("--duplicate-share", type=float, default=0.0, metavar="SHARE", help="sent again with other fields")
    add("--file", metavar="PATH", help="send this file instead, - is standard input")
    add("--format", choices=("ndjson", "csv", "auto"), default="auto", help="of the file; auto goes by its name")
    add("--report", type=Path, metavar="PATH", help="a JSON file, rewritten each second, that says what was sent")
    add("--journal", type=Path, metavar="PATH", help="a new file that tells of each generated record what became of it")
    add("--id", metavar="NAME", help="the producer's name in the report and at the broker")
    add("--client-options", type=Path, metavar="PATH", help="JSON with options of the Kafka client, such as a login")
    add("--config", type=Path, metavar="PATH", help='JSON with defaults for these flags, as in {"topic": "t"}')
    return parser


def _read_config(path: Path, parser: argparse.ArgumentParser) -> dict[str, Any]:
    known = {action.dest for action in parser._actions} - {"help", "config"}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"the settings in {path} cannot be read ({error}): mend the file or name another") from error
    unknown = sorted(set(config) - known) if isinstance(config, dict) else ["no JSON object"]
    if unknown:
        raise UsageError(f"{path} has unknown settings ({', '.join(unknown)}): use {', '.join(sorted(known))}")
    # argparse applies a flag's type to a default only if that is a string.
    return {name: value if value is None else str(value) for name, value in config.items()}


def _client_options(path: Path | None) -> dict[str, str]:
    """From a file, since there may be secrets among them, which an argument would show to everybody."""
    if path is None:
        return {}
    try:
        options = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--client-options {path} cannot be read: mend the file or name another") from error
    if not isinstance(options, dict) or not all(isinstance(value, str) for value in options.values()):
        raise UsageError(f'--client-options {path} should hold one JSON object of texts, as {{"ssl.ca.location": "…"}}')
    return options


def _check(flags: argparse.Namespace) -> None:
    if not flags.bootstrap_servers:
        raise UsageError("no Kafka broker is named: start the local stack (`make run`) or pass --bootstrap-servers")
    if (flags.rate or 0) < 0 or flags.count < 0:
        raise UsageError("--rate and --count must be 0 or more")
    shares = (flags.malformed_share, flags.late_share, flags.duplicate_share)
    if min(shares) < 0 or not sum(shares) <= 1:
        raise UsageError(f"the shares {shares} must each be 0 or more and together at most 1")
    if flags.file is not None and any(shares):
        raise UsageError("shares are for generated events: a file is sent as it is, so leave them out with --file")
    if flags.file is not None and flags.journal is not None:
        raise UsageError("--journal is for generated events: of a file it is not known what its records must become")


def _format(file: str | None, wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "csv" if file is not None and file.lower().endswith(".csv") else "ndjson"
