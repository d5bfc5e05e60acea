"""What was earned: measures of returns. Arguments and rules as in `performance.series`."""

from __future__ import annotations

import math

import numpy as np

from performance.series import NAN, Dates, FloatArray, Series, as_equity, as_returns, mean


def period_returns(equity: Series) -> FloatArray:
    """Take the simple returns of an equity curve: one value fewer than the curve; none of an empty one."""
    curve = as_equity(equity)
    return curve[1:] / curve[:-1] - 1.0


def equity_curve(returns: Series, initial: float = 1.0) -> FloatArray:
    """Equity that begins with ``initial`` and compounds ``returns``: one value more than the returns."""
    return initial * np.cumprod(np.concatenate([[1.0], 1.0 + as_returns(returns)]))


def total_return(returns: Series) -> float:
    """Return over the whole time, compounded.

    Returns
    -------
    float
        Fraction; 0 of nothing.

    Notes
    -----
    Formula: ``prod(1 + r) - 1``
    Source: C. R. Bacon, Practical Portfolio Performance Measurement and Attribution (2nd ed. 2008).
    Peers: Equal to empyrical.cum_returns_final, quantstats.comp.
    """
    return float(np.prod(1.0 + as_returns(returns)) - 1.0)


def cagr(returns: Series, *, periods_per_year: float = 252.0) -> float:
    """Compound annual growth rate.

    Returns
    -------
    float
        Fraction a year; NaN of nothing; -1 once everything is lost.

    Notes
    -----
    Formula: ``prod(1 + r) ** (P / n) - 1``
    Source: GIPS Standards Handbook (2020), annualised returns.
    Peers: Equal to empyrical.annual_return, empyrical.cagr, quantstats.cagr.
    """
    growth = annual_log_growth(returns, periods_per_year=periods_per_year)
    return math.expm1(growth) if not growth > 700.0 else math.inf  # beyond it a float overflows


def annual_log_growth(returns: Series, *, periods_per_year: float = 252.0) -> float:
    """Continuously compounded growth a year: what the Kelly criterion makes as large as possible.

    Returns
    -------
    float
        Logarithm a year; NaN of nothing; minus infinity once everything is lost.

    Notes
    -----
    Formula: ``P * mean(log(1 + r))``
    Source: J. L. Kelly, "A New Interpretation of Information Rate", Bell System Technical Journal 35 (1956).
    """
    array = as_returns(returns)
    if array.size and array.min() == -1.0:
        return -math.inf
    return periods_per_year * mean(np.log1p(array))


def arithmetic_return_annual(returns: Series, *, periods_per_year: float = 252.0) -> float:
    """Mean return a year without compounding: the numerator of the Sharpe ratio before the risk-free rate.

    Returns
    -------
    float
        Fraction a year; NaN of nothing.

    Notes
    -----
    Formula: ``P * mean(r)``
    Source: C. R. Bacon (2008).
    """
    return periods_per_year * mean(as_returns(returns))


def best_period(returns: Series) -> float:
    """Largest return of a period.

    Returns
    -------
    float
        Fraction; NaN of nothing.

    Notes
    -----
    Formula: ``max(r)``
    Source: plain.
    Peers: Equal to quantstats.best.
    """
    array = as_returns(returns)
    return float(array.max()) if array.size else NAN


def worst_period(returns: Series) -> float:
    """Smallest return of a period.

    Returns
    -------
    float
        Fraction, negative for a loss; NaN of nothing.

    Notes
    -----
    Formula: ``min(r)``
    Source: plain.
    Peers: Equal to quantstats.worst.
    """
    array = as_returns(returns)
    return float(array.min()) if array.size else NAN


def share_of_gains(returns: Series) -> float:
    """Hit rate of the periods: share of the returns above 0. Periods without a position count as no gain.

    Returns
    -------
    float
        In [0, 1]; NaN of nothing.

    Notes
    -----
    Formula: ``count(r > 0) / n``
    Source: plain.
    Peers: Unlike quantstats.win_rate, which leaves out the periods without a return: a strategy that seldom trades
    looks better there.
    """
    return mean((as_returns(returns) > 0.0).astype(np.float64))


def average_gain(returns: Series) -> float:
    """Mean of the returns above 0.

    Returns
    -------
    float
        Fraction; NaN without a gain.

    Notes
    -----
    Formula: ``mean(r | r > 0)``
    Source: plain.
    Peers: Equal to quantstats.avg_win.
    """
    array = as_returns(returns)
    return mean(array[array > 0.0])


def average_loss(returns: Series) -> float:
    """Mean of the returns below 0, as a positive number.

    Returns
    -------
    float
        Positive fraction; NaN without a loss.

    Notes
    -----
    Formula: ``-mean(r | r < 0)``
    Source: plain.
    Peers: Unlike quantstats.avg_loss, which is its negative.
    """
    array = as_returns(returns)
    return -mean(array[array < 0.0])


def longest_run_of_gains(returns: Series) -> float:
    """Largest number of periods in a row that earned something.

    Returns
    -------
    float
        Whole number of periods; 0 of nothing.

    Notes
    -----
    Formula: ``longest run of r > 0``
    Source: plain.
    Peers: Equal to quantstats.consecutive_wins.
    """
    return float(longest_run(as_returns(returns) > 0.0))


def longest_run_of_losses(returns: Series) -> float:
    """Largest number of periods in a row that lost something.

    Returns
    -------
    float
        Whole number of periods; 0 of nothing.

    Notes
    -----
    Formula: ``longest run of r < 0``
    Source: plain.
    Peers: Equal to quantstats.consecutive_losses.
    """
    return float(longest_run(as_returns(returns) < 0.0))


def longest_run(marks: np.ndarray) -> int:
    """Length of the longest unbroken run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def compounded_by(returns: Series, dates: Dates, unit: str) -> FloatArray:
    """Compound the returns of calendar days, months or years.

    Parameters
    ----------
    returns, dates
        As in `performance.series`.
    unit
        ``D``, ``M`` or ``Y``. The first and the last one may be only part of a whole.

    Raises
    ------
    ValueError
        When the dates are not as many as the returns, or fall.
    """
    array, when = as_returns(returns), np.asarray(dates)
    if len(array) != len(when):
        raise ValueError(f"{len(array)} returns but {len(when)} dates")
    if (when[1:] < when[:-1]).any():
        raise ValueError("the dates must not fall")
    calendar = when.astype(f"datetime64[{unit}]")
    if not array.size:
        return array
    begins = np.flatnonzero(np.concatenate([[True], calendar[1:] != calendar[:-1]]))
    grown: FloatArray = np.multiply.reduceat(1.0 + array, begins)
    return grown - 1.0


def best_day(returns: Series, dates: Dates) -> float:
    """Largest return of a calendar day (UTC).

    Returns
    -------
    float
        Fraction; NaN of nothing.

    Notes
    -----
    Formula: ``max(prod(1 + r) - 1 by day)``
    Source: plain.
    """
    return best_period(compounded_by(returns, dates, "D"))


def worst_day(returns: Series, dates: Dates) -> float:
    """Smallest return of a calendar day (UTC).

    Returns
    -------
    float
        Fraction, negative for a loss; NaN of nothing.

    Notes
    -----
    Formula: ``min(prod(1 + r) - 1 by day)``
    Source: plain.
    """
    return worst_period(compounded_by(returns, dates, "D"))


def best_month(returns: Series, dates: Dates) -> float:
    """Largest return of a calendar month; the first and the last may be part of one.

    Returns
    -------
    float
        Fraction; NaN of nothing.

    Notes
    -----
    Formula: ``max(prod(1 + r) - 1 by month)``
    Source: plain.
    Peers: Equal to empyrical.aggregate_returns.
    """
    return best_period(compounded_by(returns, dates, "M"))


def worst_month(returns: Series, dates: Dates) -> float:
    """Smallest return of a calendar month; the first and the last may be part of one.

    Returns
    -------
    float
        Fraction, negative for a loss; NaN of nothing.

    Notes
    -----
    Formula: ``min(prod(1 + r) - 1 by month)``
    Source: plain.
    Peers: Equal to empyrical.aggregate_returns.
    """
    return worst_period(compounded_by(returns, dates, "M"))


def worst_year(returns: Series, dates: Dates) -> float:
    """Smallest return of a calendar year; the first and the last may be part of one.

    Returns
    -------
    float
        Fraction, negative for a loss; NaN of nothing.

    Notes
    -----
    Formula: ``min(prod(1 + r) - 1 by year)``
    Source: plain.
    Peers: Equal to empyrical.aggregate_returns.
    """
    return worst_period(compounded_by(returns, dates, "Y"))


def share_of_winning_months(returns: Series, dates: Dates) -> float:
    """Share of the calendar months that earned something.

    Returns
    -------
    float
        In [0, 1]; NaN of nothing.

    Notes
    -----
    Formula: ``count(month > 0) / months``
    Source: plain.
    Peers: Equal to empyrical.aggregate_returns.
    """
    return share_of_gains(compounded_by(returns, dates, "M"))


MEASURES = (
    total_return,
    cagr,
    annual_log_growth,
    arithmetic_return_annual,
    best_period,
    worst_period,
    share_of_gains,
    average_gain,
    average_loss,
    longest_run_of_gains,
    longest_run_of_losses,
    best_day,
    worst_day,
    best_month,
    worst_month,
    worst_year,
    share_of_winning_months,
)
