"""`python -m bench`: this pipeline and its rivals side by side; `make bench`."""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from bench.contestants import catalogue
from bench.experiments import growth, latency, ledger, producer, start, throughput, whole_stack
from bench.own_stack import Site, open_site
from bench.raw import Raw
from bench.reporting.plots import draw
from bench.reporting.report import markdown
from infra.local.progress import say
from orchestration.settings import REPOSITORY

STACK_DIR: Final = REPOSITORY / ".stack" / "bench"
RESULTS: Final = REPOSITORY / "bench" / "results"
SMOKE_EVENTS: Final = 20_000
# In these Dagster is part of what is measured.
WITH_DAGSTER: Final = ("start", "idle", "hour")
HOUR_RATE_PER_S: Final = 1_000
_DESCRIPTION: Final = """\
Measure this pipeline and its rivals on the same broker, topic and Postgres, on a stack of the benchmark's own, and
write report.md, raw.json and plots. What was measured before and is not measured now stays in the report."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the flags choose."""
    flags = _flags(arguments)
    # As an interrupt does: leave every `with`, so that the stack is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    raw = Raw(flags.results)
    failed = [name for name in _chosen(flags.only) if not _run(name, raw, flags)]
    _write_report(raw)
    return 1 if failed else 0


def _chosen(only: Sequence[str]) -> list[str]:
    """The experiments named; named contestants alone mean throughput."""
    named = [name for name in EXPERIMENTS if name in only]
    return named or (["throughput"] if only else list(EXPERIMENTS))


def _run(name: str, raw: Raw, flags: argparse.Namespace) -> bool:
    """Whether the experiment came to its end; the others run whatever became of it."""
    say(f"experiment {name}")
    try:
        with open_site(flags.folder.resolve(), say, with_dagster=name in WITH_DAGSTER) as site:
            raw.keep(name, {**EXPERIMENTS[name](site, flags), "smoke": flags.smoke})
    except Exception:
        say(f"experiment {name} failed:\n{traceback.format_exc()}")
        return False
    return True


def _write_report(raw: Raw) -> None:
    found = raw.read()
    raw.folder.mkdir(parents=True, exist_ok=True)
    (raw.folder / "report.md").write_text(markdown(found), "utf-8")
    draw(found, raw.folder)
    say(f"wrote {raw.folder / 'report.md'}")


def _throughput(site: Site, flags: argparse.Namespace) -> dict[str, Any]:
    events, runs = (SMOKE_EVENTS, 1) if flags.smoke else (flags.events, flags.runs)
    return throughput.measure(site, catalogue.chosen(flags.only), events, runs, warm_up=not flags.smoke)


def _latency(site: Site, flags: argparse.Namespace) -> dict[str, Any]:
    rates, seconds = ((1_000,), 10.0) if flags.smoke else (latency.RATES_PER_S, 60.0)
    return latency.measure(site, catalogue.chosen(flags.only, catalogue.STREAMING), rates, seconds)


def _growth(site: Site, flags: argparse.Namespace) -> dict[str, Any]:
    if flags.smoke or flags.quick:
        return growth.measure(site, SMOKE_EVENTS if flags.smoke else 200_000, 1, quick=True)
    return growth.measure(site, min(flags.events, 1_000_000), flags.runs, quick=False)


def _ledger(site: Site, flags: argparse.Namespace) -> dict[str, Any]:
    if flags.smoke:
        return ledger.measure(site, 100_000, 1, 10.0, 1_000)
    return ledger.measure(site, flags.events // 2, flags.runs, flags.outage_minutes * 60, 5_000)


def _producer(site: Site, flags: argparse.Namespace) -> dict[str, Any]:
    return producer.measure(site, *((SMOKE_EVENTS, 1) if flags.smoke else (flags.events // 4, flags.runs)))


def _start(site: Site, flags: argparse.Namespace) -> dict[str, Any]:
    return start.measure(site, 1 if flags.smoke else flags.runs)


def _idle(site: Site, flags: argparse.Namespace) -> dict[str, Any]:
    # The JVMs compile for minutes.
    return whole_stack.measure_idle(site, *((20.0, 10.0) if flags.smoke else (180.0, 60.0)))


def _hour(site: Site, flags: argparse.Namespace) -> dict[str, Any]:
    return whole_stack.measure_hour(site, HOUR_RATE_PER_S, 60.0 if flags.smoke else 3_600.0)


EXPERIMENTS: Final[dict[str, Callable[[Site, argparse.Namespace], dict[str, Any]]]] = {
    "throughput": _throughput,
    "latency": _latency,
    "growth": _growth,
    "ledger": _ledger,
    "producer": _producer,
    "start": _start,
    "idle": _idle,
    "hour": _hour,
}


def _flags(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    names = ", ".join([*EXPERIMENTS, *(contestant.name for contestant in catalogue.ALL)])
    add("--only", nargs="+", default=[], metavar="NAME", help=f"experiments and contestants: {names}")
    add("--events", type=int, default=4_000_000, help="of a throughput run; default: %(default)s")
    add("--runs", type=int, default=3, help="of each contestant; default: %(default)s")
    add("--quick", action="store_true", help="growth: smaller loads, one run")
    add("--outage-minutes", type=float, default=10.0, help="of the job, in experiment ledger; default: %(default)g")
    add("--smoke", action="store_true", help=f"one run of {SMOKE_EVENTS:,} events, to see that all work")
    add("--folder", type=Path, default=STACK_DIR, help="of the stack; default: .stack/bench")
    add("--results", type=Path, default=RESULTS, help="folder of the report; default: bench/results")
    flags = parser.parse_args(arguments)
    if wrong := sorted({*flags.only} - {*EXPERIMENTS} - {contestant.name for contestant in catalogue.ALL}):
        parser.error(f"--only: {', '.join(wrong)} is none of {names}")
    return flags


if __name__ == "__main__":
    sys.exit(main())
