"""Against a benchmark. Arguments and rules as in `performance.series`.

``b`` is the benchmark's return, ``f`` the risk-free one of a period.
"""

from __future__ import annotations

import math

import numpy as np

from performance.returns import cagr
from performance.series import NAN, FloatArray, Series, as_pair, deviation, mean, per_period, ratio


def beta(returns: Series, benchmark: Series) -> float:
    """Slope of the returns on those of the benchmark.

    Returns
    -------
    float
        NaN below two returns, or when the benchmark doesn't move.

    Notes
    -----
    Formula: ``cov(r, b) / var(b)``
    Source: W. F. Sharpe, "Capital Asset Prices", Journal of Finance 19 (1964).
    Peers: Equal to empyrical.beta, quantstats.greeks.
    """
    ours, theirs = as_pair(returns, benchmark)
    if deviation(theirs) == 0.0 or len(ours) < 2:
        return NAN
    around = theirs - theirs.mean()
    return float(around @ ours / (around @ around))


def alpha_annual(
    returns: Series, benchmark: Series, *, periods_per_year: float = 252.0, risk_free_annual: float = 0.0
) -> float:
    """Jensen's alpha: the mean excess return that beta doesn't account for, a year, without compounding.

    Returns
    -------
    float
        Fraction a year; NaN where `beta` is.

    Notes
    -----
    Formula: ``P * (mean(r - f) - beta * mean(b - f))``
    Source: M. C. Jensen, "The Performance of Mutual Funds in the Period 1945-1964", Journal of Finance 23 (1968).
    Peers: Equal to quantstats.greeks, which knows no risk-free rate. Unlike empyrical.alpha, which compounds the
    mean over the year.
    """
    ours, theirs = as_pair(returns, benchmark)
    free = per_period(risk_free_annual, periods_per_year)
    return periods_per_year * (mean(ours - free) - beta(ours, theirs) * mean(theirs - free))


def correlation(returns: Series, benchmark: Series) -> float:
    """Correlation with the benchmark.

    Returns
    -------
    float
        In [-1, 1]; NaN below two returns, or when one of the two doesn't move.

    Notes
    -----
    Formula: ``cov(r, b) / (std(r) * std(b))``
    Source: K. Pearson (1895).
    """
    ours, theirs = as_pair(returns, benchmark)
    if len(ours) < 2:
        return NAN
    return _inside_one(ratio(beta(ours, theirs) * deviation(theirs), deviation(ours)))


def _inside_one(value: float) -> float:
    """Take off what rounding has put on beyond [-1, 1]."""
    return value if math.isnan(value) else min(max(value, -1.0), 1.0)


def r_squared(returns: Series, benchmark: Series) -> float:
    """Share of the variance that the benchmark accounts for.

    Returns
    -------
    float
        In [0, 1]; NaN where `correlation` is.

    Notes
    -----
    Formula: ``correlation ** 2``
    Source: C. R. Bacon (2008).
    Peers: Equal to quantstats.r_squared.
    """
    return correlation(returns, benchmark) ** 2


def tracking_error_annual(returns: Series, benchmark: Series, *, periods_per_year: float = 252.0) -> float:
    """Scatter of the difference to the benchmark (standard deviation), annualised.

    Returns
    -------
    float
        Fraction a year; NaN below two returns.

    Notes
    -----
    Formula: ``sqrt(P) * std(r - b)``
    Source: R. C. Grinold and R. N. Kahn, Active Portfolio Management (2nd ed. 2000).
    """
    ours, theirs = as_pair(returns, benchmark)
    return math.sqrt(periods_per_year) * deviation(ours - theirs)


def information_ratio(returns: Series, benchmark: Series, *, periods_per_year: float = 252.0) -> float:
    """Mean difference to the benchmark over its standard deviation, annualised.

    Returns
    -------
    float
        A year; NaN below two returns, and for the benchmark itself.

    Notes
    -----
    Formula: ``sqrt(P) * mean(r - b) / std(r - b)``
    Source: T. H. Goodwin, "The Information Ratio", Financial Analysts Journal 54 (1998).
    Peers: Unlike empyrical.excess_sharpe, quantstats.information_ratio, which are of one period, not annualised.
    """
    ours, theirs = as_pair(returns, benchmark)
    active = ours - theirs
    return math.sqrt(periods_per_year) * ratio(mean(active), deviation(active))


def active_return_annual(returns: Series, benchmark: Series, *, periods_per_year: float = 252.0) -> float:
    """Compound growth a year above that of the benchmark.

    Returns
    -------
    float
        Fraction a year; NaN of nothing.

    Notes
    -----
    Formula: ``cagr(r) - cagr(b)``
    Source: C. R. Bacon (2008).
    """
    ours, theirs = as_pair(returns, benchmark)
    return cagr(ours, periods_per_year=periods_per_year) - cagr(theirs, periods_per_year=periods_per_year)


def up_capture(returns: Series, benchmark: Series, *, periods_per_year: float = 252.0) -> float:
    """Compound return in the periods in which the benchmark rose, over that of the benchmark.

    Returns
    -------
    float
        1 moves with the benchmark; NaN when it never rose.

    Notes
    -----
    Formula: ``cagr(r | b > 0) / cagr(b | b > 0)``
    Source: Morningstar, Upside and Downside Capture Ratio methodology.
    Peers: Equal to empyrical.up_capture.
    """
    ours, theirs = as_pair(returns, benchmark)
    return _capture(ours, theirs, theirs > 0.0, periods_per_year)


def down_capture(returns: Series, benchmark: Series, *, periods_per_year: float = 252.0) -> float:
    """Compound return in the periods in which the benchmark fell, over that of the benchmark.

    Returns
    -------
    float
        1 moves with the benchmark, below 0 rises when it falls; NaN when it never fell.

    Notes
    -----
    Formula: ``cagr(r | b < 0) / cagr(b | b < 0)``
    Source: Morningstar, Upside and Downside Capture Ratio methodology.
    Peers: Equal to empyrical.down_capture.
    """
    ours, theirs = as_pair(returns, benchmark)
    return _capture(ours, theirs, theirs < 0.0, periods_per_year)


def _capture(ours: FloatArray, theirs: FloatArray, chosen: np.ndarray, periods_per_year: float) -> float:
    captured = cagr(ours[chosen], periods_per_year=periods_per_year)
    return ratio(captured, cagr(theirs[chosen], periods_per_year=periods_per_year))


def capture_ratio(returns: Series, benchmark: Series, *, periods_per_year: float = 252.0) -> float:
    """Up capture over down capture.

    Returns
    -------
    float
        Above 1 takes more of the rises than of the falls; NaN where either is.

    Notes
    -----
    Formula: ``up_capture / down_capture``
    Source: Morningstar, Upside and Downside Capture Ratio methodology.
    Peers: Equal to empyrical.up_down_capture.
    """
    up = up_capture(returns, benchmark, periods_per_year=periods_per_year)
    return ratio(up, down_capture(returns, benchmark, periods_per_year=periods_per_year))


def treynor_ratio(
    returns: Series, benchmark: Series, *, periods_per_year: float = 252.0, risk_free_annual: float = 0.0
) -> float:
    """Mean excess return a year over beta.

    Returns
    -------
    float
        Fraction a year; NaN where `beta` is.

    Notes
    -----
    Formula: ``P * mean(r - f) / beta``
    Source: J. L. Treynor, "How to Rate Management of Investment Funds", Harvard Business Review 43 (1965).
    Peers: Unlike quantstats.treynor_ratio, which takes the total return instead of the mean of a year.
    """
    ours, theirs = as_pair(returns, benchmark)
    free = per_period(risk_free_annual, periods_per_year)
    return ratio(periods_per_year * mean(ours - free), beta(ours, theirs))


def modigliani_return_annual(
    returns: Series, benchmark: Series, *, periods_per_year: float = 252.0, risk_free_annual: float = 0.0
) -> float:
    """Mean return a year that the strategy would have had at the volatility of the benchmark (M2).

    Returns
    -------
    float
        Fraction a year; NaN below two returns.

    Notes
    -----
    Formula: ``P * (f + mean(r - f) * std(b) / std(r))``
    Source: F. Modigliani and L. Modigliani, "Risk-Adjusted Performance", Journal of Portfolio Management 23 (1997).
    """
    ours, theirs = as_pair(returns, benchmark)
    free = per_period(risk_free_annual, periods_per_year)
    return periods_per_year * (free + ratio(mean(ours - free), deviation(ours)) * deviation(theirs))


def batting_average(returns: Series, benchmark: Series) -> float:
    """Share of the periods that ended above the benchmark.

    Returns
    -------
    float
        In [0, 1]; NaN of nothing.

    Notes
    -----
    Formula: ``count(r > b) / n``
    Source: C. R. Bacon (2008).
    Peers: Equal to empyrical.batting_average.
    """
    ours, theirs = as_pair(returns, benchmark)
    return mean((ours > theirs).astype(np.float64))


MEASURES = (
    beta,
    alpha_annual,
    correlation,
    r_squared,
    tracking_error_annual,
    information_ratio,
    active_return_annual,
    up_capture,
    down_capture,
    capture_ratio,
    treynor_ratio,
    modigliani_return_annual,
    batting_average,
)
