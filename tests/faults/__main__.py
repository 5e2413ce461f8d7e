"""`python -m tests.faults`: the fault suite on a stack of its own; `make faults`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from infra.local.progress import say
from orchestration.settings import REPOSITORY
from tests.faults import report
from tests.faults.catalogue import ALL
from tests.faults.own_stack import open_site
from tests.faults.schedule import chosen
from tests.faults.suite import run_all, scheduled

STACK_DIR: Final = REPOSITORY / ".stack" / "faults"
_DESCRIPTION: Final = """\
Let each fault of the catalogue happen to a running pipeline under 5,000 events/s, and compare what landed with what
the producers had acknowledged. With --minutes, faults come by chance, as --seed has it, until the time is up.
Ends with 0 when no trial is red or unknown; the table is in .stack/faults/report."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the flags choose, and print the table."""
    flags = _flags(arguments)
    if flags.list:
        print("\n".join(f"{fault.group:12} {fault.name}" for fault in ALL))
        return 0
    # As an interrupt does: leave every `with`, so that the stack is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    faults = [ALL[place] for place in chosen([fault.name for fault in ALL], flags.only)]
    order = scheduled(faults, flags.seed, flags.minutes, say) if flags.minutes else faults
    folder: Path = flags.folder.resolve()
    outcomes = run_all(order, partial(open_site, folder, say, flags.rate), folder, say)
    print(report.markdown(outcomes))
    return 0 if report.passed(outcomes) else 1


def _flags(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", nargs="+", default=[], metavar="NAME", help="faults whose name holds one of these words")
    add("--seed", type=int, default=1, help="of the random schedule; default: %(default)s")
    add("--minutes", type=float, default=0.0, help="let faults come by chance for so long")
    add("--rate", type=float, default=5_000.0, metavar="N", help="events/s of the load; default: %(default)g")
    add("--list", action="store_true", help="print the catalogue")
    add("--folder", type=Path, default=STACK_DIR, help="of the stack and the report; default: .stack/faults")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
