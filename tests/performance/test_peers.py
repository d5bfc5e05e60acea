"""The measures against empyrical and quantstats: equal where the catalogue says so, and where it says that they differ,
different by exactly what it says.

Every function of the two libraries that the catalogue names has a case here, and every case is named there.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from data.packaged import load_packaged
from performance.measures import CATALOGUE, Conventions, PerformanceData, evaluate
from performance.returns import equity_curve

with warnings.catch_warnings():
    # Deprecations in what they import themselves.
    warnings.simplefilter("ignore")
    import empyrical
    import quantstats.stats as quantstats

P = 252


@dataclass(frozen=True, kw_only=True)
class History:
    """Returns and those of a benchmark, as both libraries take them, with our measures of them."""

    returns: pd.Series
    benchmark: pd.Series
    rate: float

    @property
    def free(self) -> float:
        return math.expm1(math.log1p(self.rate) / P)

    @property
    def values(self) -> np.ndarray:
        return self.returns.to_numpy()

    @property
    def ours(self) -> dict[str, float]:
        data = PerformanceData(
            returns=self.values,
            equity=equity_curve(self.values),
            dates=self.returns.index.to_numpy(),
            benchmark=self.benchmark.to_numpy(),
            profits=self.values,
        )
        return evaluate(data, Conventions(risk_free_annual=self.rate))


def real(symbol: str, begin: int, count: int, rate: float = 0.0) -> History:
    other = "MSFT" if symbol == "IBM" else "IBM"
    tables = load_packaged([symbol, other])
    days = pd.to_datetime(tables[symbol].end_ns).normalize()
    ours, theirs = (
        pd.Series(tables[name].close, index=days).pct_change().iloc[1 + begin : 1 + begin + count]
        for name in (symbol, other)
    )
    return History(returns=ours, benchmark=theirs, rate=rate)


def made_up(seed: int, count: int, rate: float = 0.0, *, idle: float = 0.0, heavy: bool = False) -> History:
    """Random returns; ``idle`` is the share of periods without a position, ``heavy`` asks for heavy tails."""
    random = np.random.default_rng(seed)
    noise = random.standard_t(3, count) if heavy else random.normal(size=count)
    returns = np.clip(0.0004 + 0.01 * noise, -0.5, 0.5) * (random.random(count) >= idle)
    benchmark = 0.5 * returns + random.normal(0.0002, 0.008, count)
    days = pd.bdate_range("2001-01-02", periods=count)
    return History(
        returns=pd.Series(returns, index=days), benchmark=pd.Series(benchmark, index=days), rate=rate
    )


HISTORIES = {
    "AAPL, 13 years": real("AAPL", 0, 4_000),
    "MSFT through 2008, with a rate": real("MSFT", 1_900, 500, 0.03),
    "IBM's own quarter": real("IBM", 700, 63, 0.01),
    "normal": made_up(1, 1_000),
    "normal, with a rate": made_up(2, 757, 0.05),
    "seldom in the market": made_up(3, 800, idle=0.6),
    "heavy tails": made_up(4, 1_500, 0.02, heavy=True),
    "a month": made_up(5, 21),
}

Call = Callable[[History], float]


def _months(history: History) -> pd.Series:
    result: pd.Series = empyrical.aggregate_returns(history.returns, "monthly")
    return result


def _years(history: History) -> pd.Series:
    result: pd.Series = empyrical.aggregate_returns(history.returns, "yearly")
    return result


EQUAL: list[tuple[str, str, Call]] = [
    ("total_return", "empyrical.cum_returns_final", lambda h: empyrical.cum_returns_final(h.returns)),
    ("total_return", "quantstats.comp", lambda h: quantstats.comp(h.returns)),
    ("cagr", "empyrical.annual_return", lambda h: empyrical.annual_return(h.returns)),
    ("cagr", "empyrical.cagr", lambda h: empyrical.cagr(h.returns)),
    ("cagr", "quantstats.cagr", lambda h: quantstats.cagr(h.returns, periods=P)),
    ("best_period", "quantstats.best", lambda h: quantstats.best(h.returns)),
    ("worst_period", "quantstats.worst", lambda h: quantstats.worst(h.returns)),
    ("average_gain", "quantstats.avg_win", lambda h: quantstats.avg_win(h.returns)),
    ("longest_run_of_gains", "quantstats.consecutive_wins", lambda h: quantstats.consecutive_wins(h.returns)),
    (
        "longest_run_of_losses",
        "quantstats.consecutive_losses",
        lambda h: quantstats.consecutive_losses(h.returns),
    ),
    ("best_month", "empyrical.aggregate_returns", lambda h: _months(h).max()),
    ("worst_month", "empyrical.aggregate_returns", lambda h: _months(h).min()),
    ("worst_year", "empyrical.aggregate_returns", lambda h: _years(h).min()),
    ("share_of_winning_months", "empyrical.aggregate_returns", lambda h: (_months(h) > 0.0).mean()),
    ("volatility_annual", "empyrical.annual_volatility", lambda h: empyrical.annual_volatility(h.returns)),
    ("volatility_annual", "quantstats.volatility", lambda h: quantstats.volatility(h.returns)),
    (
        "downside_deviation_annual",
        "empyrical.downside_risk",
        lambda h: empyrical.downside_risk(h.returns, required_return=h.free),
    ),
    ("tail_ratio", "empyrical.tail_ratio", lambda h: empyrical.tail_ratio(h.returns)),
    ("tail_ratio", "quantstats.tail_ratio", lambda h: quantstats.tail_ratio(h.returns)),
    ("sharpe_ratio", "empyrical.sharpe_ratio", lambda h: empyrical.sharpe_ratio(h.returns, risk_free=h.free)),
    ("sharpe_ratio", "quantstats.sharpe", lambda h: quantstats.sharpe(h.returns, rf=h.rate)),
    (
        "sortino_ratio",
        "empyrical.sortino_ratio",
        lambda h: empyrical.sortino_ratio(h.returns, required_return=h.free),
    ),
    ("sortino_ratio", "quantstats.sortino", lambda h: quantstats.sortino(h.returns, rf=h.rate)),
    ("omega_ratio", "empyrical.omega_ratio", lambda h: empyrical.omega_ratio(h.returns, risk_free=h.free)),
    ("omega_ratio", "quantstats.omega", lambda h: quantstats.omega(h.returns, rf=h.rate)),
    (
        "gain_to_pain_ratio",
        "quantstats.gain_to_pain_ratio",
        lambda h: quantstats.gain_to_pain_ratio(h.returns),
    ),
    (
        "common_sense_ratio",
        "quantstats.common_sense_ratio",
        lambda h: quantstats.common_sense_ratio(h.returns),
    ),
    ("mar_ratio", "empyrical.calmar_ratio", lambda h: empyrical.calmar_ratio(h.returns)),
    ("mar_ratio", "quantstats.calmar", lambda h: quantstats.calmar(h.returns)),
    ("beta", "empyrical.beta", lambda h: empyrical.beta(h.returns, h.benchmark)),
    ("beta", "quantstats.greeks", lambda h: quantstats.greeks(h.returns, h.benchmark)["beta"]),
    ("r_squared", "quantstats.r_squared", lambda h: quantstats.r_squared(h.returns, h.benchmark)),
    ("up_capture", "empyrical.up_capture", lambda h: empyrical.up_capture(h.returns, h.benchmark)),
    ("down_capture", "empyrical.down_capture", lambda h: empyrical.down_capture(h.returns, h.benchmark)),
    (
        "capture_ratio",
        "empyrical.up_down_capture",
        lambda h: empyrical.up_down_capture(h.returns, h.benchmark),
    ),
    (
        "batting_average",
        "empyrical.batting_average",
        lambda h: empyrical.batting_average(h.returns, h.benchmark)["batting average"],
    ),
    ("profit_factor", "quantstats.profit_factor", lambda h: quantstats.profit_factor(h.returns)),
    ("payoff_ratio", "quantstats.payoff_ratio", lambda h: quantstats.payoff_ratio(h.returns)),
    ("kelly_fraction", "quantstats.kelly_criterion", lambda h: quantstats.kelly_criterion(h.returns)),
]


def _falls(history: History) -> np.ndarray:
    curve = equity_curve(history.values)
    return 1.0 - curve / np.maximum.accumulate(curve)


def _wider_ulcer(history: History) -> float:
    return math.sqrt(float((_falls(history) ** 2).sum()) / (len(history.values) - 1))


def _bias_corrected_kurtosis(history: History) -> float:
    n = len(history.values)
    return (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * history.ours["excess_kurtosis"] + 6.0)


def _bias_corrected_skewness(history: History) -> float:
    n = len(history.values)
    return math.sqrt(n * (n - 1)) / (n - 2) * history.ours["skewness"]


def _whole_tail(history: History) -> float:
    ordered = np.sort(history.values)
    return float(ordered[: int((len(ordered) - 1) * 0.05) + 1].mean())


def _normal_shortfall(history: History) -> float:
    height = NormalDist().pdf(NormalDist().inv_cdf(0.05)) / 0.05
    return float(history.values.mean() - history.values.std(ddof=1) * height)


def _decaying_penalty(history: History) -> float:
    values = history.values
    n, first = len(values), abs(np.corrcoef(values[:-1], values[1:])[0, 1])
    lags = np.arange(1, n)
    penalty = math.sqrt(1.0 + 2.0 * float(((n - lags) / n * first**lags).sum()))
    return history.ours["sharpe_ratio"] / penalty


def _bias_corrected_probability(history: History) -> float:
    excess = history.values - history.free
    n, sharpe = len(excess), float(excess.mean() / excess.std(ddof=1))
    skew, kurtosis = _bias_corrected_skewness(history), _bias_corrected_kurtosis(history)
    # The excess kurtosis and 3 make the plain one, of which the formula takes 1.
    variance = (1.0 - skew * sharpe + (kurtosis + 3.0 - 1.0) / 4.0 * sharpe**2) / (n - 1)
    return NormalDist().cdf(sharpe / math.sqrt(variance))


def _straight_line(history: History) -> float:
    growth = np.log1p(history.values).cumsum()
    return float(np.corrcoef(growth, np.arange(len(growth)))[0, 1] ** 2)


UNLIKE: list[tuple[str, str, Call, Call]] = [
    (
        "share_of_gains",
        "quantstats.win_rate",
        lambda h: quantstats.win_rate(h.returns),
        lambda h: float((h.values > 0.0).sum() / (h.values != 0.0).sum()),
    ),
    (
        "average_loss",
        "quantstats.avg_loss",
        lambda h: quantstats.avg_loss(h.returns),
        lambda h: -h.ours["average_loss"],
    ),
    (
        "max_drawdown",
        "empyrical.max_drawdown",
        lambda h: empyrical.max_drawdown(h.returns),
        lambda h: -h.ours["max_drawdown"],
    ),
    (
        "max_drawdown",
        "quantstats.max_drawdown",
        lambda h: quantstats.max_drawdown(h.returns),
        lambda h: -h.ours["max_drawdown"],
    ),
    ("ulcer_index", "quantstats.ulcer_index", lambda h: quantstats.ulcer_index(h.returns), _wider_ulcer),
    ("skewness", "quantstats.skew", lambda h: quantstats.skew(h.returns), _bias_corrected_skewness),
    (
        "excess_kurtosis",
        "quantstats.kurtosis",
        lambda h: quantstats.kurtosis(h.returns),
        _bias_corrected_kurtosis,
    ),
    (
        "value_at_risk",
        "empyrical.value_at_risk",
        lambda h: empyrical.value_at_risk(h.returns),
        lambda h: -h.ours["value_at_risk"],
    ),
    (
        "value_at_risk",
        "quantstats.value_at_risk",
        lambda h: quantstats.value_at_risk(h.returns),
        lambda h: -h.ours["gaussian_value_at_risk"],
    ),
    (
        "gaussian_value_at_risk",
        "quantstats.value_at_risk",
        lambda h: quantstats.value_at_risk(h.returns),
        lambda h: -h.ours["gaussian_value_at_risk"],
    ),
    (
        "conditional_value_at_risk",
        "empyrical.conditional_value_at_risk",
        lambda h: empyrical.conditional_value_at_risk(h.returns),
        _whole_tail,
    ),
    (
        "conditional_value_at_risk",
        "quantstats.conditional_value_at_risk",
        lambda h: quantstats.conditional_value_at_risk(h.returns),
        _normal_shortfall,
    ),
    (
        "autocorrelation_adjusted_sharpe_ratio",
        "quantstats.smart_sharpe",
        lambda h: quantstats.smart_sharpe(h.returns, rf=h.rate),
        _decaying_penalty,
    ),
    (
        "calmar_ratio",
        "empyrical.calmar_ratio",
        lambda h: empyrical.calmar_ratio(h.returns),
        lambda h: h.ours["mar_ratio"],
    ),
    (
        "calmar_ratio",
        "quantstats.calmar",
        lambda h: quantstats.calmar(h.returns),
        lambda h: h.ours["mar_ratio"],
    ),
    (
        "recovery_factor",
        "quantstats.recovery_factor",
        lambda h: quantstats.recovery_factor(h.returns),
        lambda h: abs(float(h.values.sum())) / h.ours["max_drawdown"],
    ),
    (
        "ulcer_performance_index",
        "quantstats.ulcer_performance_index",
        lambda h: quantstats.ulcer_performance_index(h.returns, rf=h.rate),
        lambda h: (h.ours["total_return"] - h.rate) / _wider_ulcer(h),
    ),
    (
        "stability",
        "empyrical.stability_of_timeseries",
        lambda h: empyrical.stability_of_timeseries(h.returns),
        _straight_line,
    ),
    (
        "alpha_annual",
        "quantstats.greeks",
        lambda h: quantstats.greeks(h.returns, h.benchmark)["alpha"],
        # Without a rate it is ours.
        lambda h: h.ours["alpha_annual"] + P * h.free * (1.0 - h.ours["beta"]),
    ),
    (
        "alpha_annual",
        "empyrical.alpha",
        lambda h: empyrical.alpha(h.returns, h.benchmark, risk_free=h.free),
        lambda h: (1.0 + h.ours["alpha_annual"] / P) ** P - 1.0,
    ),
    (
        "information_ratio",
        "empyrical.excess_sharpe",
        lambda h: empyrical.excess_sharpe(h.returns, h.benchmark),
        lambda h: h.ours["information_ratio"] / math.sqrt(P),
    ),
    (
        "information_ratio",
        "quantstats.information_ratio",
        lambda h: quantstats.information_ratio(h.returns, h.benchmark),
        lambda h: h.ours["information_ratio"] / math.sqrt(P),
    ),
    (
        "treynor_ratio",
        "quantstats.treynor_ratio",
        lambda h: quantstats.treynor_ratio(h.returns, h.benchmark, rf=h.rate),
        lambda h: (h.ours["total_return"] - h.rate) / h.ours["beta"],
    ),
    (
        "probabilistic_sharpe_ratio",
        "quantstats.probabilistic_sharpe_ratio",
        lambda h: quantstats.probabilistic_sharpe_ratio(h.returns, rf=h.rate),
        _bias_corrected_probability,
    ),
]


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_what_the_catalogue_calls_equal_is_equal(history: History):
    ours = history.ours
    for measure, peer, call in EQUAL:
        assert float(call(history)) == pytest.approx(ours[measure], rel=1e-9, abs=1e-12, nan_ok=True), (
            measure,
            peer,
        )


@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_what_the_catalogue_calls_unlike_differs_by_what_it_says(history: History):
    for measure, peer, call, expected in UNLIKE:
        assert float(call(history)) == pytest.approx(expected(history), rel=1e-9, abs=1e-12), (measure, peer)


def test_every_peer_that_the_catalogue_names_has_a_case_here_and_the_other_way_round():
    tested = {(measure, peer) for measure, peer, *_calls in [*EQUAL, *UNLIKE]}
    named = {
        (name, peer)
        for name, one in CATALOGUE.items()
        for peer in re.findall(r"(?:empyrical|quantstats)\.\w+", one.peers)
    }
    assert named == tested


@pytest.mark.parametrize("name", [name for name, one in CATALOGUE.items() if one.peers])
def test_what_is_called_unlike_really_is_unlike_and_the_words_have_their_form(name: str):
    one = CATALOGUE[name]
    assert re.fullmatch(r"(Equal to|Unlike) .*\.", one.peers)
    unlike = set(re.findall(r"((?:empyrical|quantstats)\.\w+)", one.peers.partition("Unlike")[2]))
    for measure, peer, call, _expected in UNLIKE:
        if measure == name and peer in unlike:
            differs = [abs(float(call(one)) - one.ours[name]) > 1e-9 for one in HISTORIES.values()]
            assert any(differs), f"{peer} is equal after all"
