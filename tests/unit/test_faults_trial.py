"""The phases of a trial on a scripted site: whatever raises, the fault is ended and the suite goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestration.errors import TransientError
from tests.faults import trial
from tests.faults.accounts import Accounts
from tests.faults.comparison import Comparison
from tests.faults.fault import Fault, Since, Unavailable
from tests.faults.outcome import Verdict
from tests.faults.trial import Patience, Trial

AT_ONCE = Patience(steady_s=0, warm_up_s=0, bite_s=0.3, recovery_s=0, green_s=0, settle_s=0, compare_s=0)


class Job:
    healthy = True


class Load:
    began_at, since_id = 0.0, 0

    def journals(self) -> list[Any]:
        return []

    def forget(self) -> None:
        pass


class Flink:
    def active_jobs(self, name: str) -> tuple[Job]:  # noqa: ARG002
        return (Job(),)


class Settings:
    flink_job_name = kafka_topic = "t"


class ScriptedSite:
    """A stream that is always well."""

    settings, flink, load, postgres = Settings(), Flink(), Load(), None

    def __init__(self) -> None:
        self.load_ended = 0

    def begin_load(self, folder: Path) -> Load:  # noqa: ARG002
        return self.load

    def end_load(self) -> None:
        self.load_ended += 1

    def first_landed(self, struck_at: float, ended_at: float) -> float:  # noqa: ARG002
        return ended_at + 1

    def active_jobs(self) -> tuple[Job]:
        return (Job(),)

    def accounts(self) -> Accounts:
        return Accounts(0, 0, True, {}, {}, {})

    def stands_still(self) -> bool:
        return True

    def standstill_s(self, from_s: float) -> float:  # noqa: ARG002
        return 0.0


class ScriptedFault(Fault):
    """Raises in the phase that is named."""

    name, group = "scripted", "g"

    def __init__(self, phase: str = "", error: Exception | None = None) -> None:
        self._phase, self._error = phase, error
        self.ended = 0

    def _reach(self, phase: str) -> None:
        if phase == self._phase and self._error is not None:
            raise self._error

    def setup(self, site: Any) -> None:  # noqa: ANN401, ARG002
        self._reach("setup")

    def inject(self, site: Any) -> None:  # noqa: ANN401, ARG002
        self._reach("inject")

    def bit(self, site: Any) -> bool:  # noqa: ANN401, ARG002
        self._reach("bit")
        return True

    def end(self, site: Any) -> None:  # noqa: ANN401, ARG002
        self.ended += 1
        self._reach("end")

    def recovered(self, site: Any, since: Since) -> float | None:  # noqa: ANN401
        self._reach("recovered")
        return super().recovered(site, since)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401
    monkeypatch.setattr(trial, "compare", lambda *_: Comparison(acknowledged=5))
    return ScriptedSite()


def test_a_fault_that_bites_and_passes_is_green(site: Any, tmp_path: Path) -> None:  # noqa: ANN401
    fault = ScriptedFault()
    outcome = Trial(site, fault, tmp_path, lambda _: None, AT_ONCE).run()
    assert (outcome.verdict, outcome.notes, fault.ended) == (Verdict.GREEN, [], 1)
    assert outcome.recovered_s == pytest.approx(1.0)


@pytest.mark.parametrize("error", [RuntimeError("x"), TransientError("x"), IndexError("x"), TypeError("x")], ids=repr)
@pytest.mark.parametrize("phase", ["inject", "bit", "end", "recovered"])
def test_whatever_raises_the_fault_is_ended_and_not_green(
    site: Any,  # noqa: ANN401
    tmp_path: Path,
    phase: str,
    error: Exception,
) -> None:
    fault = ScriptedFault(phase, error)
    outcome = Trial(site, fault, tmp_path, lambda _: None, AT_ONCE).run()
    assert outcome.verdict in (Verdict.RED, Verdict.UNKNOWN)
    assert outcome.notes
    assert (fault.ended, site.load_ended > 0) == (1, True)


@pytest.mark.parametrize(
    ("error", "verdict", "words"),
    [
        (Unavailable("needs root"), Verdict.NOT_RUN, "not run: needs root"),
        (RuntimeError("no drain"), Verdict.UNKNOWN, "the trial failed: RuntimeError: no drain"),
    ],
)
def test_a_fault_that_cannot_be_set_up_proves_nothing(
    site: Any,  # noqa: ANN401
    tmp_path: Path,
    error: Exception,
    verdict: Verdict,
    words: str,
) -> None:
    fault = ScriptedFault("setup", error)
    outcome = Trial(site, fault, tmp_path, lambda _: None, AT_ONCE).run()
    assert (outcome.verdict, outcome.notes, fault.ended) == (verdict, [words], 0)
