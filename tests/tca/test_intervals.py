"""Intervals against textbook figures and by coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tca.intervals import Interval, bootstrap_interval, t_interval


def test_a_t_interval_by_the_table() -> None:
    # Ten values of mean 5 and deviation 2: t(0.975, 9) = 2.262157.
    found = t_interval(5.0, 2.0, 10)
    assert found.low == pytest.approx(5.0 - 2.262157 * 2.0 / math.sqrt(10), abs=1e-6)
    assert found.high - found.estimate == pytest.approx(found.estimate - found.low)


def test_one_order_says_nothing_about_its_spread() -> None:
    assert math.isnan(t_interval(5.0, math.nan, 1).low)
    assert math.isnan(bootstrap_interval([5.0], seed=1).low)
    assert math.isnan(bootstrap_interval([], seed=1).estimate)


def test_equal_values_have_an_interval_without_width() -> None:
    assert bootstrap_interval([3.0] * 5, seed=1) == Interval(3.0, 3.0, 3.0)


def test_an_infinite_cost_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        bootstrap_interval([1.0, math.inf], seed=1)


def test_a_bootstrap_repeats_under_its_seed_and_covers_a_skewed_mean() -> None:
    rng = np.random.default_rng(7)
    assert bootstrap_interval([1.0, 2.0, 9.0], seed=3) == bootstrap_interval([1.0, 2.0, 9.0], seed=3)
    covered = sum(
        bootstrap_interval(rng.exponential(2.0, 40).tolist(), seed=seed, resamples=400).covers(2.0)
        for seed in range(60)
    )
    assert covered >= 50
