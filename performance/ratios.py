"""Return for each unit of risk. Arguments and rules as in `performance.series`."""

from __future__ import annotations

import math

import numpy as np

from performance.drawdowns import max_drawdown, pain_index, ulcer_index
from performance.returns import cagr, equity_curve, total_return
from performance.risk import (
    autocorrelation,
    conditional_value_at_risk,
    excess_kurtosis,
    skewness,
    tail_ratio,
)
from performance.series import NAN, FloatArray, Series, as_returns, deviation, mean, per_period, ratio


def _excess(returns: Series, risk_free_annual: float, periods_per_year: float) -> FloatArray:
    return as_returns(returns) - per_period(risk_free_annual, periods_per_year)


def sharpe_ratio(returns: Series, *, periods_per_year: float = 252.0, risk_free_annual: float = 0.0) -> float:
    """Mean excess return over its standard deviation, annualised as if the returns were independent.

    Returns
    -------
    float
        A year; NaN below two returns.

    Notes
    -----
    Formula: ``sqrt(P) * mean(r - f) / std(r - f)``
    Source: W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994).
    Peers: Equal to empyrical.sharpe_ratio, quantstats.sharpe.
    """
    excess = _excess(returns, risk_free_annual, periods_per_year)
    return math.sqrt(periods_per_year) * ratio(mean(excess), deviation(excess))


def autocorrelation_adjusted_sharpe_ratio(
    returns: Series, *, periods_per_year: float = 252.0, risk_free_annual: float = 0.0, lags: int = 5
) -> float:
    """Sharpe ratio annualised with the autocorrelations that the returns have: trending returns are riskier a year.

    Returns
    -------
    float
        A year; NaN below ``lags + 2`` returns, or when the variance of the year would not be positive.

    Notes
    -----
    Formula: ``q / sqrt(q + 2 * sum((q - k) * rho_k for k = 1..lags)) * mean(r - f) / std(r - f)`` with ``q = P``.
    Lo sums up to lag q - 1; for daily returns those are mostly noise, so later ones are taken as 0
    Source: A. W. Lo, "The Statistics of Sharpe Ratios", Financial Analysts Journal 58 (2002), equation 20.
    Peers: Unlike quantstats.smart_sharpe, which lets the absolute first autocorrelation decay over all lags:
    alternating returns, whose year is less risky, are punished there.
    """
    excess = _excess(returns, risk_free_annual, periods_per_year)
    if len(excess) < lags + 2:
        return NAN
    last = min(lags, math.ceil(periods_per_year) - 1)
    weighted = [
        (periods_per_year - k) * autocorrelation(as_returns(returns), lag=k) for k in range(1, last + 1)
    ]
    variance = periods_per_year + 2.0 * math.fsum(weighted)
    if not variance > 0.0:
        return NAN
    return periods_per_year / math.sqrt(variance) * ratio(mean(excess), deviation(excess))


def adjusted_sharpe_ratio(
    returns: Series, *, periods_per_year: float = 252.0, risk_free_annual: float = 0.0
) -> float:
    """Sharpe ratio less a penalty for negative skewness and heavy tails.

    Returns
    -------
    float
        A year; NaN when the returns don't differ.

    Notes
    -----
    Formula: ``sqrt(P) * s * (1 + skewness / 6 * s - excess kurtosis / 24 * s ** 2)``, ``s`` the ratio of one period
    Source: J. Pezier and A. White, "The Relative Merits of Alternative Investments", J. Alternative Inv. 10 (2008).
    """
    excess = _excess(returns, risk_free_annual, periods_per_year)
    one = ratio(mean(excess), deviation(excess))
    moments = 1.0 + skewness(returns) / 6.0 * one - excess_kurtosis(returns) / 24.0 * one**2
    return math.sqrt(periods_per_year) * one * moments


def sortino_ratio(
    returns: Series, *, periods_per_year: float = 252.0, risk_free_annual: float = 0.0
) -> float:
    """Mean excess return over the downside deviation; the risk-free rate is the target.

    Returns
    -------
    float
        A year; NaN of nothing, infinite for gains without a shortfall.

    Notes
    -----
    Formula: ``sqrt(P) * mean(r - f) / sqrt(mean(min(r - f, 0) ** 2))``
    Source: F. A. Sortino and L. N. Price, J. Investing 3 (1994).
    Peers: Equal to empyrical.sortino_ratio, quantstats.sortino.
    """
    excess = _excess(returns, risk_free_annual, periods_per_year)
    if not excess.size:
        return NAN
    down = math.sqrt(mean(np.minimum(excess, 0.0) ** 2))
    return math.sqrt(periods_per_year) * ratio(mean(excess), down)


def omega_ratio(returns: Series, *, periods_per_year: float = 252.0, risk_free_annual: float = 0.0) -> float:
    """Sum of the returns above the risk-free return over the sum of those below.

    Returns
    -------
    float
        Above 1 when the mean is above the target; NaN of nothing, infinite without a shortfall.

    Notes
    -----
    Formula: ``sum(max(r - f, 0)) / sum(max(f - r, 0))``
    Source: C. Keating and W. F. Shadwick, "A Universal Performance Measure", J. Performance Measurement 6 (2002).
    Peers: Equal to empyrical.omega_ratio, quantstats.omega.
    """
    excess = _excess(returns, risk_free_annual, periods_per_year)
    return ratio(float(np.maximum(excess, 0.0).sum()), float(np.maximum(-excess, 0.0).sum()))


def kappa_three_ratio(
    returns: Series, *, periods_per_year: float = 252.0, risk_free_annual: float = 0.0
) -> float:
    """Mean excess return over the cube root of the third lower partial moment, of one period.

    Returns
    -------
    float
        Not annualised; NaN of nothing, infinite for gains without a shortfall.

    Notes
    -----
    Formula: ``mean(r - f) / mean(max(f - r, 0) ** 3) ** (1 / 3)``
    Source: P. D. Kaplan and J. A. Knowles, "Kappa: A Generalized Downside Risk-Adjusted Performance Measure" (2004).
    """
    excess = _excess(returns, risk_free_annual, periods_per_year)
    return ratio(mean(excess), float(np.cbrt(mean(np.maximum(-excess, 0.0) ** 3))))


def gain_to_pain_ratio(returns: Series) -> float:
    """Sum of all returns over the sum of the losses (Schwager takes monthly returns).

    Returns
    -------
    float
        NaN of nothing, infinite for gains without a loss.

    Notes
    -----
    Formula: ``sum(r) / sum(max(-r, 0))``
    Source: J. D. Schwager, Hedge Fund Market Wizards (2012), appendix A.
    Peers: Equal to quantstats.gain_to_pain_ratio.
    """
    array = as_returns(returns)
    return ratio(float(array.sum()), float(np.maximum(-array, 0.0).sum()))


def common_sense_ratio(returns: Series) -> float:
    """Gains over losses, times the tail ratio.

    Returns
    -------
    float
        Below 1 for what loses in the middle or in the tails; NaN of nothing.

    Notes
    -----
    Formula: ``sum(max(r, 0)) / sum(max(-r, 0)) * tail ratio``
    Source: L. Bernut, Algorithmic Short Selling with Python (2021).
    Peers: Equal to quantstats.common_sense_ratio.
    """
    array = as_returns(returns)
    gains, losses = float(np.maximum(array, 0.0).sum()), float(np.maximum(-array, 0.0).sum())
    return ratio(gains, losses) * tail_ratio(array)


def mar_ratio(returns: Series, *, periods_per_year: float = 252.0) -> float:
    """Compound growth a year over the largest drawdown, since the beginning.

    Returns
    -------
    float
        NaN of nothing, infinite for growth without a drawdown.

    Notes
    -----
    Formula: ``cagr / max_drawdown``
    Source: Managed Account Reports (L. Rose, 1978).
    Peers: Equal to empyrical.calmar_ratio, quantstats.calmar: what these call Calmar covers the whole time.
    """
    return ratio(cagr(returns, periods_per_year=periods_per_year), _largest_fall(as_returns(returns)))


def calmar_ratio(returns: Series, *, periods_per_year: float = 252.0) -> float:
    """MAR ratio of the last 36 months; of all returns when there are fewer.

    Returns
    -------
    float
        NaN of nothing, infinite for growth without a drawdown.

    Notes
    -----
    Formula: ``cagr / max_drawdown`` over the last ``3 * P`` returns
    Source: T. W. Young, "Calmar Ratio: A Smoother Tool", Futures (1991).
    Peers: Unlike empyrical.calmar_ratio, quantstats.calmar, which cover the whole time: see `mar_ratio`.
    """
    last = as_returns(returns)[-max(round(3.0 * periods_per_year), 1) :]
    return mar_ratio(last, periods_per_year=periods_per_year)


def recovery_factor(returns: Series) -> float:
    """Return over the whole time over the largest drawdown.

    Returns
    -------
    float
        NaN of nothing, infinite for a gain without a drawdown.

    Notes
    -----
    Formula: ``total return / max_drawdown``
    Source: plain.
    Peers: Unlike quantstats.recovery_factor, which adds the returns up instead of compounding them.
    """
    return ratio(total_return(returns), _largest_fall(as_returns(returns)))


def ulcer_performance_index(
    returns: Series, *, periods_per_year: float = 252.0, risk_free_annual: float = 0.0
) -> float:
    """Growth above the risk-free rate over the ulcer index: Martin's ratio.

    Returns
    -------
    float
        NaN of nothing, infinite for growth without a drawdown.

    Notes
    -----
    Formula: ``(cagr - risk_free_annual) / ulcer_index``
    Source: P. Martin and B. McCann, The Investor's Guide to Fidelity Funds (1989).
    Peers: Unlike quantstats.ulcer_performance_index, which takes the total return instead of that of a year.
    """
    growth = cagr(returns, periods_per_year=periods_per_year) - risk_free_annual
    return ratio(growth, ulcer_index(_curve(as_returns(returns))))


def pain_ratio(returns: Series, *, periods_per_year: float = 252.0, risk_free_annual: float = 0.0) -> float:
    """Growth above the risk-free rate over the pain index.

    Returns
    -------
    float
        NaN of nothing, infinite for growth without a drawdown.

    Notes
    -----
    Formula: ``(cagr - risk_free_annual) / pain_index``
    Source: T. Becker, Zephyr Associates (2006).
    """
    growth = cagr(returns, periods_per_year=periods_per_year) - risk_free_annual
    return ratio(growth, pain_index(_curve(as_returns(returns))))


def conditional_sharpe_ratio(
    returns: Series,
    *,
    periods_per_year: float = 252.0,
    risk_free_annual: float = 0.0,
    confidence: float = 0.95,
) -> float:
    """Mean excess return over the expected shortfall, of one period (STARR).

    Returns
    -------
    float
        Not annualised; NaN of nothing.

    Notes
    -----
    Formula: ``mean(r - f) / conditional_value_at_risk(r - f)``
    Source: R. D. Martin, S. Rachev and F. Siboulet, "Phi-Alpha Optimal Portfolios and Extreme Risk Management" (2003).
    """
    excess = np.maximum(_excess(returns, risk_free_annual, periods_per_year), -1.0)
    return ratio(mean(excess), conditional_value_at_risk(excess, confidence=confidence))


def kelly_leverage(
    returns: Series, *, periods_per_year: float = 252.0, risk_free_annual: float = 0.0
) -> float:
    """Leverage at which continuously traded, normal returns with these moments would grow fastest.

    Returns
    -------
    float
        Times the equity; NaN below two returns. An upper bound: half of it is usual, for the moments are estimates.

    Notes
    -----
    Formula: ``mean(r - f) / std(r - f) ** 2``
    Source: E. O. Thorp, "The Kelly Criterion in Blackjack, Sports Betting and the Stock Market" (2006).
    """
    excess = _excess(returns, risk_free_annual, periods_per_year)
    return ratio(mean(excess), deviation(excess) ** 2)


def stability(returns: Series) -> float:
    """R-squared of a straight line through the logarithm of the equity: 1 for steady growth (or decline).

    Returns
    -------
    float
        In [0, 1]; NaN below two returns, for an equity that never moves, and once everything is lost.

    Notes
    -----
    Formula: ``correlation(log(equity), time) ** 2``
    Source: empyrical (Quantopian), ``stability_of_timeseries``; here with the equity from before the first return.
    Peers: Unlike empyrical.stability_of_timeseries, which leaves out the equity before the first return.
    """
    array = as_returns(returns)
    if array.size < 2 or array.min() == -1.0 or array.max() == array.min() == 0.0:
        return NAN
    growth = np.concatenate([[0.0], np.log1p(array).cumsum()])
    return float(np.corrcoef(growth, np.arange(len(growth)))[0, 1] ** 2)


def _largest_fall(array: FloatArray) -> float:
    return max_drawdown(_curve(array)) if array.size == 0 or array.min() > -1.0 else 1.0


def _curve(array: FloatArray) -> FloatArray:
    """Equity for the drawdown measures; one that is lost altogether ends at the smallest positive number."""
    return np.maximum(equity_curve(array), np.finfo(np.float64).tiny)


MEASURES = (
    sharpe_ratio,
    autocorrelation_adjusted_sharpe_ratio,
    adjusted_sharpe_ratio,
    sortino_ratio,
    omega_ratio,
    kappa_three_ratio,
    gain_to_pain_ratio,
    common_sense_ratio,
    mar_ratio,
    calmar_ratio,
    recovery_factor,
    ulcer_performance_index,
    pain_ratio,
    conditional_sharpe_ratio,
    kelly_leverage,
    stability,
)
