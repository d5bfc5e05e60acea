"""How returns scatter, and what they earned for it: examples worked by hand, plain references, and properties."""

from __future__ import annotations

import math
from statistics import NormalDist, correlation, linear_regression, mean, stdev

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from performance import ratios, risk
from performance.drawdowns import pain_index, ulcer_index
from performance.returns import cagr, equity_curve

SIX = [0.02, -0.01, 0.03, 0.00, -0.02, 0.04]  # sum 0.06, mean 0.01; squares of deviations sum to 0.0028
spread_returns = st.lists(st.floats(-0.2, 0.2).map(lambda x: round(x, 4)), min_size=5, max_size=60).filter(
    lambda values: len(set(values)) > 2
)


def normal_returns(seed: int, count: int = 5_000) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0005, 0.01, count)


def test_volatility_worked_by_hand():
    assert risk.volatility_annual(SIX, periods_per_year=12) == pytest.approx(math.sqrt(12 * 0.0028 / 5))


def test_downside_deviation_worked_by_hand():
    expected = math.sqrt(12 * (0.0001 + 0.0004) / 6)
    assert risk.downside_deviation_annual(SIX, periods_per_year=12) == pytest.approx(expected)


def test_moments_worked_by_hand():
    # 0, 0, 0, 4 around its mean of 1: -1, -1, -1, 3. m2 = 3, m3 = 6, m4 = 21.
    values = [0.0, 0.0, 0.0, 0.04]
    assert risk.skewness(values) == pytest.approx(6 / 3**1.5)
    assert risk.excess_kurtosis(values) == pytest.approx(21 / 9 - 3)
    assert risk.jarque_bera(values) == pytest.approx(4 / 6 * (36 / 27 + (21 / 9 - 3) ** 2 / 4))


def test_autocorrelation_worked_by_hand():
    # Around the mean of 0.025: -1.5, -0.5, 0.5, 1.5 per cent. Products 0.75, -0.25, 0.75 over squares of 5.
    values = [0.01, 0.02, 0.03, 0.04]
    assert risk.autocorrelation(values) == pytest.approx(1.25 / 5)
    assert risk.autocorrelation(values, lag=0) == 1.0


def test_values_at_risk_worked_by_hand():
    losses = [-0.01 * n for n in range(1, 21)]  # -1% to -20%
    # One twentieth of twenty returns is one: the worst.
    assert risk.conditional_value_at_risk(losses) == pytest.approx(0.20)
    assert risk.conditional_value_at_risk(losses, confidence=0.9) == pytest.approx(0.195)
    # The quantile lies at 0.05 * 19 = 0.95 of the way from the worst to the second.
    assert risk.value_at_risk(losses) == pytest.approx(0.20 - 0.0095)
    assert risk.tail_ratio(losses) == pytest.approx((0.01 + 0.0095) / (0.20 - 0.0095))


def test_cornish_fisher_is_the_normal_one_for_normal_moments():
    a = math.sqrt(3.0)
    values = [-0.01 * a, 0.0, 0.0, 0.0, 0.0, 0.01 * a]  # m2 = 1, m4 = 3 (in units of 1%)
    assert risk.skewness(values) == pytest.approx(0.0)
    assert risk.excess_kurtosis(values) == pytest.approx(0.0)
    assert risk.cornish_fisher_value_at_risk(values) == pytest.approx(risk.gaussian_value_at_risk(values))


def test_gaussian_value_at_risk_worked_by_hand():
    expected = -(0.01 - 1.6448536 * math.sqrt(0.0028 / 5))
    assert risk.gaussian_value_at_risk(SIX) == pytest.approx(expected)


def test_cornish_fisher_shortfall_is_the_mean_of_its_values_at_risk():
    returns = normal_returns(1, 400) - 0.2 * (normal_returns(2, 400) > 0.025)
    levels = (np.arange(20_000) + 0.5) / 20_000 * 0.05
    tail = [risk.cornish_fisher_value_at_risk(returns, confidence=1 - level) for level in levels[::40]]
    assert risk.cornish_fisher_conditional_value_at_risk(returns) == pytest.approx(np.mean(tail), rel=0.01)


@given(spread_returns)
def test_a_fatter_left_tail_is_a_larger_shortfall(returns):
    assert risk.conditional_value_at_risk(returns) >= risk.value_at_risk(returns) - 1e-12
    assert risk.conditional_value_at_risk(returns, confidence=0.99) >= (
        risk.conditional_value_at_risk(returns) - 1e-12
    )


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0, math.nan])
def test_a_confidence_that_is_no_probability_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence"):
        risk.value_at_risk(SIX, confidence=confidence)


def test_sharpe_and_sortino_worked_by_hand():
    assert ratios.sharpe_ratio(SIX, periods_per_year=12) == pytest.approx(
        math.sqrt(12) * 0.01 / math.sqrt(0.0028 / 5)
    )
    assert ratios.sortino_ratio(SIX, periods_per_year=12) == pytest.approx(
        math.sqrt(12) * 0.01 / math.sqrt(0.0005 / 6)
    )


def test_the_risk_free_rate_is_taken_off_each_period():
    free = 1.03 ** (1 / 12) - 1
    shifted = [value + free for value in SIX]
    for ratio in (ratios.sharpe_ratio, ratios.sortino_ratio, ratios.omega_ratio, ratios.kelly_leverage):
        with_rate = ratio(shifted, periods_per_year=12, risk_free_annual=0.03)
        assert with_rate == pytest.approx(ratio(SIX, periods_per_year=12)), ratio.__name__


def test_ratios_of_sums_worked_by_hand():
    assert ratios.omega_ratio(SIX) == pytest.approx(0.09 / 0.03)
    assert ratios.gain_to_pain_ratio(SIX) == pytest.approx(0.06 / 0.03)
    assert ratios.common_sense_ratio(SIX) == pytest.approx(3 * risk.tail_ratio(SIX))
    assert ratios.kappa_three_ratio(SIX) == pytest.approx(0.01 / ((1e-6 + 8e-6) / 6) ** (1 / 3))
    assert ratios.kelly_leverage(SIX) == pytest.approx(0.01 / (0.0028 / 5))
    assert ratios.conditional_sharpe_ratio(SIX) == pytest.approx(0.01 / 0.02)


def test_ratios_to_drawdown_worked_by_hand():
    returns = [0.2, -0.25, 0.2, 0.2]  # equity 1, 1.2, 0.9, 1.08, 1.296: a fall of 25%
    assert ratios.mar_ratio(returns, periods_per_year=4) == pytest.approx(0.296 / 0.25)
    assert ratios.recovery_factor(returns) == pytest.approx(0.296 / 0.25)
    # Three years of one return each: the first one is not looked at.
    assert ratios.calmar_ratio(returns, periods_per_year=1) == pytest.approx(
        cagr(returns[1:], periods_per_year=1) / 0.25
    )
    curve, growth = equity_curve(returns), 0.296 - 0.02
    options = {"periods_per_year": 4, "risk_free_annual": 0.02}
    assert ratios.ulcer_performance_index(returns, **options) == pytest.approx(growth / ulcer_index(curve))
    assert ratios.pain_ratio(returns, **options) == pytest.approx(growth / pain_index(curve))


def test_los_ratio_worked_by_hand():
    # q = 4, rho_1 = 0.25 (see above), one lag: 4 / sqrt(4 + 2 * 3 * 0.25) instead of sqrt(4).
    values = [0.01, 0.02, 0.03, 0.04]
    plain = mean(values) / stdev(values)
    got = ratios.autocorrelation_adjusted_sharpe_ratio(values, periods_per_year=4, lags=1)
    assert got == pytest.approx(4 / math.sqrt(5.5) * plain)


def test_los_ratio_is_the_plain_one_for_independent_returns_and_smaller_for_trending_ones():
    returns = normal_returns(3)
    trending = returns[1:] + 0.6 * returns[:-1]
    adjusted, plain = ratios.autocorrelation_adjusted_sharpe_ratio, ratios.sharpe_ratio
    assert adjusted(returns) == pytest.approx(plain(returns), rel=0.05)
    assert adjusted(trending) < 0.85 * plain(trending)


def test_the_adjusted_ratio_punishes_losses_that_come_in_lumps():
    lumps, gifts = [0.01] * 9 + [-0.05], [-0.006] * 9 + [0.094]
    assert ratios.adjusted_sharpe_ratio(lumps) < ratios.sharpe_ratio(lumps)
    assert ratios.adjusted_sharpe_ratio(gifts) > ratios.sharpe_ratio(gifts)


@given(spread_returns)
def test_stability_is_the_r_squared_of_a_regression_on_time(returns):
    growth = [0.0, *np.log1p(returns).cumsum().tolist()]
    assume(len({round(value, 6) for value in growth}) > 2)
    slope, intercept = linear_regression(range(len(growth)), growth)
    residual = sum((value - intercept - slope * n) ** 2 for n, value in enumerate(growth))
    total = sum((value - mean(growth)) ** 2 for value in growth)
    assert ratios.stability(returns) == pytest.approx(1 - residual / total, abs=1e-6)


def test_steady_growth_is_as_stable_as_can_be():
    assert ratios.stability([0.01] * 10) == pytest.approx(1.0)


@given(spread_returns, st.sampled_from([0.25, 0.5, 2.0]))
def test_leverage_changes_no_ratio_of_mean_to_scatter(returns, leverage):
    levered = [value * leverage for value in returns]
    for ratio in (ratios.sharpe_ratio, ratios.sortino_ratio, ratios.omega_ratio, ratios.gain_to_pain_ratio):
        assert ratio(levered) == pytest.approx(ratio(returns), rel=1e-9, abs=1e-9), ratio.__name__


@given(spread_returns)
def test_ratios_have_the_sign_of_the_mean(returns):
    assume(abs(mean(returns)) > 1e-6)
    sign = math.copysign(1.0, mean(returns))
    for ratio in (
        ratios.sharpe_ratio,
        ratios.sortino_ratio,
        ratios.kelly_leverage,
        ratios.gain_to_pain_ratio,
    ):
        assert math.copysign(1.0, ratio(returns)) == sign, ratio.__name__
    assert (ratios.omega_ratio(returns) > 1.0) == (sign > 0)


@given(spread_returns)
def test_the_order_of_returns_matters_to_no_measure_of_their_distribution(returns):
    for measure in (
        risk.volatility_annual,
        risk.value_at_risk,
        risk.conditional_value_at_risk,
        ratios.sharpe_ratio,
    ):
        assert measure(returns) == pytest.approx(measure(returns[::-1])), measure.__name__


def test_returns_that_do_not_differ_have_no_ratio_but_an_infinite_one():
    # 0.1 + 0.2 is not 0.3: a naive deviation of equal values is 1e-17 and the ratio 1e16.
    equal = [0.1 / 3] * 7
    assert risk.volatility_annual(equal) == 0.0
    assert ratios.sharpe_ratio(equal) == math.inf
    assert ratios.sharpe_ratio([-value for value in equal]) == -math.inf
    assert math.isnan(ratios.sharpe_ratio([0.0] * 5))


@pytest.mark.parametrize("measure", [*risk.MEASURES, *ratios.MEASURES], ids=lambda f: f.__name__)
def test_of_nothing_nothing_is_known(measure):
    assert math.isnan(measure([]))


def test_a_normal_sample_looks_normal():
    returns = normal_returns(4, 50_000)
    assert risk.skewness(returns) == pytest.approx(0.0, abs=0.05)
    assert risk.excess_kurtosis(returns) == pytest.approx(0.0, abs=0.1)
    for empirical, gaussian in (
        (risk.value_at_risk, risk.gaussian_value_at_risk),
        (risk.conditional_value_at_risk, risk.cornish_fisher_conditional_value_at_risk),
    ):
        assert empirical(returns) == pytest.approx(gaussian(returns), rel=0.03)
    shortfall = 0.01 * NormalDist().pdf(NormalDist().inv_cdf(0.05)) / 0.05 - 0.0005
    assert risk.conditional_value_at_risk(returns) == pytest.approx(shortfall, rel=0.03)


@given(spread_returns)
def test_autocorrelation_is_that_of_the_textbook_for_long_series(returns):
    long = returns * 40
    plain = correlation(long[1:], long[:-1])
    assert risk.autocorrelation(long) == pytest.approx(plain, abs=0.05)
