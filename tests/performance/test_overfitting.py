"""Luck or not: the numbers that the papers print, and simulated trials whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from performance import overfitting as o
from performance.ratios import sharpe_ratio


def returns(seed: int, sharpe_annual: float, count: int = 1_000) -> np.ndarray:
    """Daily returns with exactly this Sharpe ratio."""
    raw = np.random.default_rng(seed).normal(0.0, 1.0, count)
    raw = (raw - raw.mean()) / raw.std(ddof=1)
    return np.asarray(0.01 * (raw + sharpe_annual / math.sqrt(252)))


@pytest.mark.parametrize(("periods_per_year", "years"), [(252, 2.73), (52, 2.83), (12, 3.24)])
def test_the_track_records_that_bailey_and_lopez_de_prado_print(periods_per_year, years):
    # "The Sharpe Ratio Efficient Frontier": a Sharpe ratio of 2 against 1 at 95%, normal returns.
    root = math.sqrt(periods_per_year)
    assert o.periods_needed(2 / root, 1 / root) / periods_per_year == pytest.approx(years, abs=0.005)


def test_the_deflated_sharpe_ratio_that_bailey_and_lopez_de_prado_print():
    # "The Deflated Sharpe Ratio": 100 trials, variance 1/2 a year, 1250 days, 2.5 a year, skewness -3, kurtosis 10.
    by_luck = o.expected_maximum_sharpe(100, math.sqrt(0.5 / 250))
    assert by_luck == pytest.approx(0.1132, abs=5e-5)
    chance = o.probability_above(2.5 / math.sqrt(250), by_luck, periods=1250, skew=-3, kurtosis=10 - 3)
    assert chance == pytest.approx(0.9004, abs=5e-4)


def test_five_years_bear_forty_five_trials():
    # "Pseudo-Mathematics and Financial Charlatanism": no more than 45 for a Sharpe ratio of 1.
    assert o.minimum_backtest_length(45) == pytest.approx(5.0, abs=0.05)


@pytest.mark.parametrize("trials", [10, 200])
def test_the_expected_maximum_is_that_of_many_draws(trials):
    draws = np.random.default_rng(1).normal(0.0, 0.3, (20_000, trials)).max(axis=1)
    assert o.expected_maximum_sharpe(trials, 0.3) == pytest.approx(draws.mean(), rel=0.03)


def test_one_trial_is_no_selection():
    assert o.expected_maximum_sharpe(1, 5.0) == 0.0
    series = returns(2, 1.0)
    assert o.deflated_sharpe_ratio(series, [1.0]) == o.probabilistic_sharpe_ratio(series)
    with pytest.raises(ValueError, match="at least one"):
        o.expected_maximum_sharpe(0, 1.0)


def test_the_standard_error_is_the_scatter_of_sharpe_ratios():
    random = np.random.default_rng(3)
    samples = random.standard_t(8, (4_000, 500)) * 0.01 + 0.001
    ratios = [sharpe_ratio(row) for row in samples]
    error = np.mean([o.sharpe_standard_error_annual(row) for row in samples[:500]])
    assert error == pytest.approx(np.std(ratios), rel=0.05)


def test_the_probability_is_a_half_at_the_benchmark():
    assert o.probabilistic_sharpe_ratio(returns(4, 1.0), benchmark_sharpe_annual=1.0) == pytest.approx(0.5)


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_a_higher_benchmark_is_less_likely_beaten(first, second):
    low, high = sorted((first, second))
    series = returns(5, 1.0)
    assert o.probabilistic_sharpe_ratio(series, benchmark_sharpe_annual=low) >= (
        o.probabilistic_sharpe_ratio(series, benchmark_sharpe_annual=high)
    )


def test_more_trials_deflate_more():
    series = returns(6, 1.5)
    chances = [o.deflated_sharpe_ratio(series, [-0.5, 0.0, 0.5, 1.5] * n) for n in (1, 10, 100)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] < o.probabilistic_sharpe_ratio(series)


def test_a_track_record_of_the_minimum_length_reaches_the_confidence():
    series = returns(7, 1.2)
    needed = o.minimum_track_record_length(series, benchmark_sharpe_annual=0.2)
    daily = sharpe_ratio(series, periods_per_year=1)
    values = {
        "skew": float(np.mean(((series - series.mean()) / series.std()) ** 3)),
        "kurtosis": float(np.mean(((series - series.mean()) / series.std()) ** 4)) - 3,
    }
    reached = o.probability_above(daily, 0.2 / math.sqrt(252), periods=math.ceil(needed), **values)
    assert reached == pytest.approx(0.95, abs=1e-3)
    assert o.minimum_track_record_length(series, benchmark_sharpe_annual=1.3) == math.inf


@pytest.mark.parametrize("equal", [[], [0.01], [0.01] * 5])
def test_returns_that_do_not_differ_tell_nothing(equal):
    assert math.isnan(o.probabilistic_sharpe_ratio(equal))
    assert math.isnan(o.sharpe_standard_error_annual(equal))
    assert math.isnan(o.minimum_track_record_length(equal))
    assert math.isnan(o.deflated_sharpe_ratio(equal, [1.0, 2.0]))


def test_trials_without_skill_are_overfitted_and_one_with_skill_is_not():
    noise = np.random.default_rng(8).normal(0.0, 0.01, (1_000, 30))
    skilled = noise.copy()
    skilled[:, 7] += 0.003
    assert o.probability_of_overfitting(noise) > 0.3
    assert o.probability_of_overfitting(skilled) < 0.02


def test_overfitting_equals_a_plain_count_over_all_splits():
    table = np.random.default_rng(9).normal(0.0, 0.01, (62, 5))
    blocks = np.array_split(table[2:], 4)
    below = []
    for one in range(4):
        for two in range(one + 1, 4):
            train = np.vstack([blocks[one], blocks[two]])
            test = np.vstack([blocks[n] for n in range(4) if n not in {one, two}])
            best = (train.mean(0) / train.std(0)).argmax()
            tested = test.mean(0) / test.std(0)
            below.append(((tested <= tested[best]).sum() / 6) <= 0.5)
    assert o.probability_of_overfitting(table, blocks=4) == pytest.approx(np.mean(below))


def test_trials_that_never_trade_are_ranked_as_zero():
    table = np.zeros((40, 3))
    table[:, 1] = np.random.default_rng(10).normal(0.01, 0.01, 40)
    assert o.probability_of_overfitting(table, blocks=4) == 0.0


@pytest.mark.parametrize(
    ("table", "blocks"),
    [
        (np.zeros((40, 1)), 4),
        (np.zeros(40), 4),
        (np.zeros((40, 3)), 5),
        (np.zeros((7, 3)), 4),
        (np.full((40, 3), np.nan), 4),
    ],
)
def test_tables_that_cannot_be_split_are_refused(table, blocks):
    with pytest.raises(ValueError, match=r"blocks|shape"):
        o.probability_of_overfitting(table, blocks=blocks)
