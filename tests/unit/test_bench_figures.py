from __future__ import annotations

import math

import pytest

from bench.figures import Sample, Spread, crossing_s, per_event_us, percentile, rate_between, ratios, spread


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], None),
        ([3.0], Spread(3.0, 3.0, 3.0, 1)),
        ([3.0, 1.0, 2.0], Spread(2.0, 1.0, 3.0, 3)),
        ([4.0, 1.0, 2.0, 3.0], Spread(2.5, 1.0, 4.0, 4)),
    ],
)
def test_a_spread_is_median_least_and_greatest(values: list[float], expected: Spread | None) -> None:
    assert spread(values) == expected


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [
        (1, 0.0, 1),
        (1, 0.99, 1),
        (2, 0.5, 1),
        (3, 0.5, 2),
        (100, 0.5, 50),
        (100, 0.99, 99),
        (100, 1.0, 100),
        (10, 0.99, 10),
    ],
)
def test_a_percentile_is_the_nearest_rank(count: int, share: float, expected: int) -> None:
    assert percentile(list(range(1, count + 1)), share) == expected


@pytest.mark.parametrize(
    ("rows", "expected_s"), [(0, 1.0), (1, 0.1 + 10), (10, 11.0), (15, 11.5), (20, 12.0), (30, 14.0)]
)
def test_a_crossing_lies_on_the_line_between_samples(rows: int, expected_s: float) -> None:
    samples = [
        Sample(0, 0),
        Sample(1, 0),
        Sample(10, 0),
        Sample(11, 10),
        Sample(12, 20),
        Sample(13, 20),
        Sample(14, 30),
    ]
    assert crossing_s(samples, rows) == pytest.approx(expected_s)


def test_what_never_landed_has_no_crossing() -> None:
    with pytest.raises(ValueError, match="11 rows"):
        crossing_s([Sample(0, 0), Sample(1, 10)], 11)


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        # The start, however long, is no part of the rate.
        ([Sample(0, 0), Sample(100, 0), Sample(110, 1000)], 100.0),
        ([Sample(0, 0), Sample(1, 100), Sample(10, 1000)], 100.0),
        # Slow up to a tenth, and fast from there on.
        ([Sample(0, 0), Sample(50, 100), Sample(51, 1000)], 900.0),
        ([Sample(0, 0), Sample(0, 1000)], math.inf),
    ],
)
def test_a_rate_is_from_a_tenth_to_all(samples: list[Sample], expected: float) -> None:
    assert rate_between(samples) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"ours": 2.0, "other": 1.0}, {"ours": 1.0, "other": 0.5}),
        ({"other": 1.0}, {}),
        ({"ours": 0.0, "other": 1.0}, {}),
    ],
)
def test_ratios_are_multiples_of_the_base(values: dict[str, float], expected: dict[str, float]) -> None:
    assert ratios(values, "ours") == expected


def test_cpu_is_what_was_used_since_and_never_less_than_nothing() -> None:
    before, after = {"kafka": 10.0, "gone": 1.0, "new": 5.0}, {"kafka": 12.0, "started": 1.0, "new": 4.0}
    assert per_event_us(before, after, 1_000_000) == {"kafka": 2.0, "started": 1.0, "new": 0.0}
