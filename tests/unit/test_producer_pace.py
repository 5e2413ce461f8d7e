from __future__ import annotations

import pytest

from producer.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.breaths: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def breathe(self, wait_s: float) -> None:
        self.breaths.append(wait_s)
        self.now_s += wait_s


@pytest.mark.parametrize(("rate_per_s", "count"), [(0.5, 4), (10, 50), (5_000, 20_000)])
def test_the_rate_is_kept(rate_per_s: float, count: int) -> None:
    clock = Clock()
    pace = Pace(rate_per_s, clock.breathe, clock)
    for _ in range(count):
        pace.wait()
    # The first record passes at once, and a wait shorter than a millisecond is left out.
    assert clock.now_s - 100 == pytest.approx((count - 1) / rate_per_s, abs=0.0011)
    assert max(clock.breaths) <= 0.2


def test_zero_is_flat_out() -> None:
    clock = Clock()
    pace = Pace(0, clock.breathe, clock)
    for _ in range(1_000):
        pace.wait()
    assert clock.breaths == []


@pytest.mark.parametrize(("pause_s", "at_once"), [(2.0, 20), (60.0, 2)])
def test_a_short_pause_is_made_up_for_and_a_long_one_is_not(pause_s: float, at_once: int) -> None:
    clock = Clock()
    pace = Pace(10, clock.breathe, clock)
    pace.wait()
    clock.now_s += pause_s
    passed = 0
    while not clock.breaths:
        pace.wait()
        passed += 1
    assert passed == pytest.approx(at_once, abs=1)


def test_stopping_ends_the_wait() -> None:
    def stop(_wait_s: float) -> None:
        raise InterruptedError

    pace = Pace(0.001, stop)
    pace.wait()
    with pytest.raises(InterruptedError):
        pace.wait()
