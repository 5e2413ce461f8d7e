"""One fault on one site, from a steady stream to the comparison of every row."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from tests.faults.checks import causes_after, green_after, history, red_after
from tests.faults.comparison import compare
from tests.faults.fault import Fault, Since, Unavailable
from tests.faults.outcome import Figures, Goals, Outcome, Verdict, judge
from tests.faults.site import Site, wait_for
from tests.faults.watch import JobWatch

T = TypeVar("T")
Say = Callable[[str], None]


class NotSteady(Exception):  # noqa: N818
    """The stream did not run well before the fault, so nothing can be learnt from one."""


@dataclass(frozen=True)
class Patience:
    """How long each phase may take, in seconds, and how long the stream runs before the fault."""

    steady_s: float = 120.0
    warm_up_s: float = 8.0
    bite_s: float = 30.0
    recovery_s: float = 180.0
    green_s: float = 90.0
    settle_s: float = 240.0
    compare_s: float = 120.0


@dataclass
class Trial:
    """`folder`: where the producers' journals and logs lie; the journals are removed when nothing was found.

    `timed`: whether seconds, and checks that must be seen red meanwhile, count. `make faults` judges by them; on a
    machine that does other things as well they prove nothing.
    """

    site: Site
    fault: Fault
    folder: Path
    say: Say
    patience: Patience = field(default_factory=Patience)
    timed: bool = True
    figures: Figures = field(default_factory=Figures, init=False)
    _since: Since = field(default=Since(0, 0, 0), init=False)

    def run(self) -> Outcome:
        """What goes wrong in the trial itself is part of the outcome: raises nothing but an interrupt."""
        name, group = self.fault.name, self.fault.group
        try:
            self._make_steady()
            self._try()
        except Unavailable as reason:
            return Outcome(name, group, Verdict.NOT_RUN, notes=[f"not run: {reason}"])
        except NotSteady as error:
            return Outcome(name, group, Verdict.UNKNOWN, notes=[str(error)])
        except Exception as error:  # the next fault must have its turn
            return Outcome(name, group, Verdict.UNKNOWN, notes=[f"the trial failed: {_words(error)}"])
        finally:
            self._guarded("end of the load", self.site.end_load)
        outcome = judge(name, group, self._goals(), self.figures)
        if outcome.verdict is Verdict.GREEN:
            self.site.load.forget()
        return outcome

    def _goals(self) -> Goals:
        fault = self.fault
        if not self.timed:
            return Goals(math.inf, loses_records=fault.loses_records)
        return Goals(
            fault.recovery_goal_s,
            fault.detection_goal_s,
            fault.red,
            fault.causes,
            fault.stays_red,
            fault.loses_records,
            fault.standstill_limit_s,
        )

    # Before

    def _make_steady(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            self._steady(self.folder / "first")
        except Exception as error:  # of whichever server; what matters is whether it can be mended
            self.say(f"not steady: {error}; repairing")
            self._guarded("end of the load", self.site.end_load)
            self._repair()
            self._steady(self.folder / "second")

    def _steady(self, folder: Path) -> None:
        """Rows of the load land, one job runs, and the check that the fault is to turn red is green."""
        self.say("load begins")
        site, load = self.site, self.site.begin_load(folder)
        if not wait_for(lambda: site.first_landed(load.began_at, load.began_at) is not None, self.patience.steady_s):
            raise NotSteady(f"no row of the load landed within {self.patience.steady_s:.0f} s")
        time.sleep(self.patience.warm_up_s)
        if not wait_for(self._is_well, self.patience.steady_s):
            raise NotSteady(f"the job or the check {self.fault.red} is not well before the fault")

    def _is_well(self) -> bool:
        jobs = self.site.active_jobs()
        newest = self.site.check(self.fault.red) if self.fault.red and self.timed else None
        return len(jobs) == 1 and jobs[0].healthy and (newest is None or newest.passed)

    def _repair(self) -> None:
        try:
            self.site.repair()
        except Exception as error:
            raise NotSteady(f"the stack could not be repaired: {_words(error)}") from error

    # The fault

    def _try(self) -> None:
        self.fault.setup(self.site)
        before = self.site.accounts()
        with JobWatch(self.site.flink, self.site.settings.flink_job_name) as watch:
            self._strike()
            self._guarded("recovery", self._await_recovery)
            self._guarded("check", self._await_green)
            self._settle(before.lost, before.gone)
        self._note(jobs_at_once=watch.most)

    def _strike(self) -> None:
        """Inject, watch for damage while it lasts, and end it, whatever happens."""
        self.say("injecting")
        at = time.time()
        self._since = Since(at, at, at)
        if self._guarded("inject", lambda: (self.fault.inject(self.site), True)):
            self._since = replace(self._since, struck_at=time.time())
            self._guarded("hold", self._hold)
        self._since = replace(self._since, ended_at=time.time())
        self.say(f"ending it after {self._since.ended_at - at:.0f} s")
        self._guarded("end", lambda: self.fault.end(self.site))

    def _hold(self) -> None:
        """For as long as the fault lasts; one that is a blow, until it has bitten."""
        until = time.time() + (self.fault.duration_s or self.patience.bite_s)
        while time.time() < until and (self.fault.duration_s or not self.figures.bit):
            self._look()
            time.sleep(0.25)

    def _look(self) -> None:
        if not self.figures.bit and wait_for(lambda: self.fault.bit(self.site), 0):
            self.say("it bit")
            self._note(bit=True)

    def _await_recovery(self) -> None:
        found: list[float] = []

        def recovered() -> bool:
            self._look()
            at = self.fault.recovered(self.site, self._since)
            found.extend([] if at is None else [at])
            return bool(found)

        if wait_for(recovered, self.patience.recovery_s):
            self._note(recovered_s=max(0.0, found[0] - self._since.ended_at))
            self.say(f"recovered after {self.figures.recovered_s:.1f} s")
        else:
            self.say("did not recover by itself; repairing")
            self._guarded("repair", self._repair)

    def _await_green(self) -> None:
        """What the check said since the injection; if it went red, wait until it is green again."""
        if self.fault.red is None or not self.timed:
            return
        wait_for(self._read_checks, self.patience.green_s, 1.0)
        figures = self.figures
        self.say(f"{self.fault.red}: red after {figures.detected_s} s {figures.causes}, green {figures.green_again_s}")

    def _read_checks(self) -> bool:
        """Whether the check went red and is green again, or never can."""
        assert self.fault.red is not None
        since, found = self._since, history(self.site.api, self.fault.red)
        red, green = red_after(found, since.injected_at), green_after(found, since.injected_at, since.ended_at)
        self._note(
            detected_s=red.at - since.injected_at if red else None,
            causes=causes_after(found, since.injected_at),
            green_again_s=green.at - since.ended_at if green else None,
        )
        return (red if self.fault.stays_red else green) is not None

    # Afterwards

    def _settle(self, lost_before: int, gone_before: int) -> None:
        """End the load, wait until all of it is accounted for, and compare."""
        site = self.site
        standstill_s = self._guarded("standstill", lambda: site.standstill_s(self._since.injected_at - 1))
        self._guarded("end of the load", site.end_load)
        self.say("load ended; waiting until all is accounted for")
        settled = wait_for(lambda: site.accounts().to_go == 0 and site.stands_still(), self.patience.settle_s, 1.0)
        self._note(settled=settled, standstill_s=standstill_s)
        # What was proved must not be forgotten because a busy server once did not answer.
        wait_s = self.patience.compare_s
        self._guarded("accounts", lambda: wait_for(lambda: self._account(lost_before, gone_before), wait_s, 5.0))
        complaints = self._guarded("complaints", lambda: self.fault.complaints(site)) or []
        self._note(complaints=(*self.figures.complaints, *complaints))

    def _account(self, lost_before: int, gone_before: int) -> bool:
        """Read the ledger's sums and compare the rows; true when both are done."""
        site = self.site
        after = site.accounts()
        lost, gone = after.lost - lost_before, after.gone - gone_before
        self._note(ledger_lost=lost, ledger_gone=gone, balanced=after.balanced)
        found = compare(site.postgres, site.settings.kafka_topic, site.load.journals(), site.load.since_id)
        self._note(comparison=found)
        self.say(
            f"compared {found.acknowledged:,} acknowledged events: lost {found.lost}, doubled {found.doubled}, "
            f"phantom {found.phantom}, wrong {found.wrong}, gone {found.gone}"
        )
        return True

    def _guarded(self, what: str, step: Callable[[], T]) -> T | None:
        """The step's result; None if it failed, which becomes a complaint: the trial goes on."""
        try:
            return step()
        except Exception as error:  # of whichever server is down
            self.say(f"{what}: {_words(error)}")
            self._note(complaints=(*self.figures.complaints, f"{what}: {_words(error)}"))
            return None

    def _note(self, **changes: object) -> None:
        self.figures = replace(self.figures, **changes)  # type: ignore[arg-type]


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
