"""Against a benchmark: examples worked by hand, references of the standard library, and properties."""

from __future__ import annotations

import math
from statistics import correlation, linear_regression

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from performance import benchmark as b

OURS = [0.03, -0.01, 0.02, -0.02]  # mean 0.005
MARKET = [0.02, -0.02, 0.01, -0.01]  # mean 0, squares sum to 0.001
pairs = st.lists(
    st.tuples(st.integers(-2000, 2000), st.integers(-2000, 2000)), min_size=5, max_size=50
).filter(lambda rows: all(len({row[side] for row in rows}) > 2 for side in (0, 1)))


def both(rows: list[tuple[int, int]]) -> tuple[list[float], list[float]]:
    return [row[0] / 1e4 for row in rows], [row[1] / 1e4 for row in rows]


def test_beta_and_alpha_worked_by_hand():
    # Products with the market: 6 + 2 + 2 + 2 = 12 (1e-4), over squares of 10.
    assert b.beta(OURS, MARKET) == pytest.approx(1.2)
    assert b.alpha_annual(OURS, MARKET, periods_per_year=4) == pytest.approx(4 * 0.005)
    free = 1.04 ** (1 / 4) - 1
    with_rate = b.alpha_annual(OURS, MARKET, periods_per_year=4, risk_free_annual=0.04)
    assert with_rate == pytest.approx(4 * (0.005 - free + 1.2 * free))


def test_correlation_worked_by_hand():
    # Ours around the mean: 2.5, -1.5, 1.5, -2.5 per cent, squares 17.
    assert b.correlation(OURS, MARKET) == pytest.approx(12 / math.sqrt(17 * 10))
    assert b.r_squared(OURS, MARKET) == pytest.approx(144 / 170)


def test_active_risk_worked_by_hand():
    # Differences 1, 1, 1, -1 per cent: mean 0.5, squares around it 0.75 + 2.25 = 3.
    assert b.tracking_error_annual(OURS, MARKET, periods_per_year=4) == pytest.approx(2 * 0.01)
    assert b.information_ratio(OURS, MARKET, periods_per_year=4) == pytest.approx(2 * 0.005 / 0.01)
    assert b.batting_average(OURS, MARKET) == 0.75
    grown = 1.03 * 0.99 * 1.02 * 0.98 - 1.02 * 0.98 * 1.01 * 0.99
    assert b.active_return_annual(OURS, MARKET, periods_per_year=4) == pytest.approx(grown)


def test_capture_worked_by_hand():
    # Two periods each; two periods a year.
    up, down = (1.03 * 1.02 - 1) / (1.02 * 1.01 - 1), (0.99 * 0.98 - 1) / (0.98 * 0.99 - 1)
    assert b.up_capture(OURS, MARKET, periods_per_year=2) == pytest.approx(up)
    assert b.down_capture(OURS, MARKET, periods_per_year=2) == pytest.approx(down)
    assert b.capture_ratio(OURS, MARKET, periods_per_year=2) == pytest.approx(up / down)


def test_treynor_and_modigliani_worked_by_hand():
    assert b.treynor_ratio(OURS, MARKET, periods_per_year=4) == pytest.approx(0.02 / 1.2)
    at_market_risk = 4 * 0.005 * math.sqrt(10 / 17)
    assert b.modigliani_return_annual(OURS, MARKET, periods_per_year=4) == pytest.approx(at_market_risk)


@given(pairs)
def test_beta_and_correlation_are_those_of_a_regression(rows):
    ours, market = both(rows)
    assert b.beta(ours, market) == pytest.approx(linear_regression(market, ours).slope, abs=1e-9)
    assert b.correlation(ours, market) == pytest.approx(correlation(market, ours), abs=1e-9)
    assert 0.0 <= b.r_squared(ours, market) <= 1.0


@given(pairs, st.sampled_from([0.25, 0.5, 2.0]))
def test_leverage_multiplies_beta_and_leaves_the_correlation(rows, leverage):
    ours, market = both(rows)
    levered = [value * leverage for value in ours]
    assert b.beta(levered, market) == pytest.approx(leverage * b.beta(ours, market), abs=1e-9)
    assert b.correlation(levered, market) == pytest.approx(b.correlation(ours, market), abs=1e-9)


@given(pairs)
def test_the_market_against_itself(rows):
    _, market = both(rows)
    assert b.beta(market, market) == pytest.approx(1.0)
    assert b.alpha_annual(market, market, risk_free_annual=0.03) == pytest.approx(0.0, abs=1e-9)
    assert b.tracking_error_annual(market, market) == 0.0
    assert math.isnan(b.information_ratio(market, market))
    assert b.active_return_annual(market, market) == 0.0


@pytest.mark.parametrize("measure", b.MEASURES, ids=lambda f: f.__name__)
def test_of_nothing_nothing_is_known_and_other_lengths_are_refused(measure):
    assert math.isnan(measure([], []))
    with pytest.raises(ValueError, match="2 returns but 1"):
        measure([0.1, 0.2], [0.1])


def test_a_market_that_does_not_move_has_no_beta():
    still = np.zeros(4)
    assert math.isnan(b.beta(OURS, still))
    assert math.isnan(b.up_capture(OURS, still))
