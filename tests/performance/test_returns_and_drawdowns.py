"""What was earned and how far it fell: examples worked by hand, and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from performance import drawdowns as d
from performance import returns as r
from performance.series import as_array

some_returns = st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=60)
curves = st.lists(st.floats(0.01, 1e6), min_size=1, max_size=60)

YEAR = [0.10, -0.05, 0.02, 0.00]  # 1.10 * 0.95 * 1.02 = 1.0659
#        peak 120, falls to 90 (25%), recovers at 130; falls to 117 (10%) and stays
CURVE = [100.0, 120.0, 90.0, 108.0, 130.0, 117.0, 123.5]


def test_returns_worked_by_hand():
    assert r.total_return(YEAR) == pytest.approx(0.0659)
    assert r.cagr(YEAR, periods_per_year=4) == pytest.approx(0.0659)
    assert r.cagr(YEAR, periods_per_year=8) == pytest.approx(1.0659**2 - 1)
    assert r.annual_log_growth(YEAR, periods_per_year=4) == pytest.approx(math.log(1.0659))
    assert r.arithmetic_return_annual(YEAR, periods_per_year=4) == pytest.approx(0.07)
    assert (r.best_period(YEAR), r.worst_period(YEAR)) == (0.10, -0.05)
    assert r.share_of_gains(YEAR) == 0.5
    assert r.average_gain(YEAR) == pytest.approx(0.06)
    assert r.average_loss(YEAR) == pytest.approx(0.05)
    assert r.longest_run_of_gains([0.1, 0.1, 0.0, 0.1, 0.1, 0.1]) == 3
    assert r.longest_run_of_losses([0.1, -0.1, -0.1, 0.0]) == 2


def test_calendar_returns_are_compounded_by_day_month_and_year():
    dates = np.array(
        ["2019-12-30T15", "2019-12-30T20", "2019-12-31", "2020-01-02", "2020-02-03"], "datetime64[ns]"
    )
    returns = [0.10, 0.10, -0.10, 0.05, -0.02]
    np.testing.assert_allclose(r.compounded_by(returns, dates, "D"), [0.21, -0.10, 0.05, -0.02])
    np.testing.assert_allclose(r.compounded_by(returns, dates, "M"), [0.089, 0.05, -0.02])
    assert r.best_day(returns, dates) == pytest.approx(0.21)
    assert r.worst_day(returns, dates) == pytest.approx(-0.10)
    assert r.best_month(returns, dates) == pytest.approx(0.089)
    assert r.worst_month(returns, dates) == pytest.approx(-0.02)
    assert r.worst_year(returns, dates) == pytest.approx(1.05 * 0.98 - 1)
    assert r.share_of_winning_months(returns, dates) == pytest.approx(2 / 3)


def test_dates_that_fall_or_are_too_few_are_refused():
    days = np.array(["2020-01-02", "2020-01-01"], "datetime64[D]")
    with pytest.raises(ValueError, match="fall"):
        r.best_day([0.1, 0.1], days)
    with pytest.raises(ValueError, match="dates"):
        r.best_day([0.1], days)


@given(some_returns)
def test_an_equity_curve_and_its_returns_are_two_views_of_one_thing(returns):
    np.testing.assert_allclose(r.period_returns(r.equity_curve(returns, 1e5)), returns, atol=1e-9)
    assert r.equity_curve(returns)[-1] - 1.0 == pytest.approx(r.total_return(returns), abs=1e-9)


@given(some_returns)
def test_growth_compounded_is_at_most_the_mean(returns):
    assert r.annual_log_growth(returns, periods_per_year=1) <= np.mean(returns) + 1e-12


def test_losing_everything_is_told_as_such():
    assert r.total_return([0.1, -1.0, 0.5]) == -1.0
    assert r.cagr([0.1, -1.0, 0.5]) == -1.0
    assert r.annual_log_growth([-1.0]) == -math.inf


def test_growth_beyond_a_float_is_infinite():
    assert r.cagr([0.5] * 3, periods_per_year=19_656) == math.inf


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_hole_is_refused_and_named(bad):
    with pytest.raises(ValueError, match=f"returns must be finite, not {bad} at 1"):
        r.total_return([0.1, bad])


def test_a_return_below_minus_one_is_refused():
    with pytest.raises(ValueError, match="below -1"):
        r.total_return([-1.5])


def test_a_table_is_no_series():
    with pytest.raises(ValueError, match="one dimension"):
        as_array(np.zeros((2, 2)), "returns")


def test_drawdowns_worked_by_hand():
    first, second = d.drawdowns(CURVE)
    assert (first.peak, first.trough, first.recovery) == (1, 2, 4)
    assert (second.peak, second.trough, second.recovery) == (4, 5, None)
    assert first.depth == pytest.approx(0.25)
    np.testing.assert_allclose(d.drawdown_curve(CURVE), [0, 0, 0.25, 0.1, 0, 0.1, 0.05])
    assert d.max_drawdown(CURVE) == pytest.approx(0.25)
    assert d.current_drawdown(CURVE) == pytest.approx(0.05)
    assert d.average_drawdown(CURVE) == pytest.approx((0.25 + 0.10) / 2)
    assert d.pain_index(CURVE) == pytest.approx(0.5 / 7)
    assert d.ulcer_index(CURVE) == pytest.approx(math.sqrt((0.25**2 + 2 * 0.1**2 + 0.05**2) / 7))
    assert d.time_under_water(CURVE) == pytest.approx(4 / 6)
    assert d.longest_under_water(CURVE) == 2
    assert d.average_under_water(CURVE) == pytest.approx((3 + 2) / 2)
    # A quarter of seven values are 1.75: all of 0.25 and three quarters of 0.1.
    assert d.conditional_drawdown_at_risk(CURVE, confidence=0.75) == pytest.approx(0.325 / 1.75)


@pytest.mark.parametrize("measure", d.MEASURES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("curve", [[], [5.0], [1.0, 1.0, 2.0, 3.0]])
def test_what_never_falls_has_no_drawdown_by_any_measure(measure, curve):
    assert measure(curve) == 0.0


@pytest.mark.parametrize("measure", d.MEASURES, ids=lambda f: f.__name__)
@given(curve=curves, factor=st.sampled_from([0.25, 2.0, 1024.0]))
def test_no_drawdown_depends_on_the_currency(measure, curve, factor):
    assert measure([value * factor for value in curve]) == measure(curve)


@given(curves)
def test_the_measures_of_drawdown_are_ordered(curve):
    rounding = 1e-12
    assert d.pain_index(curve) <= d.ulcer_index(curve) + rounding
    assert d.ulcer_index(curve) <= d.max_drawdown(curve) + rounding
    assert d.pain_index(curve) <= d.conditional_drawdown_at_risk(curve) + rounding
    assert d.conditional_drawdown_at_risk(curve) <= d.max_drawdown(curve) + rounding
    assert d.average_drawdown(curve) <= d.max_drawdown(curve) + rounding
    assert d.current_drawdown(curve) <= d.max_drawdown(curve)


@given(curves)
def test_the_deepest_drawdown_is_the_largest_fall(curve):
    found = d.drawdowns(curve)
    assert max((one.depth for one in found), default=0.0) == d.max_drawdown(curve)
    assert all(curve[one.peak] > curve[one.trough] for one in found)
