"""How much was done: exposure, turnover and costs.

``exposure`` is the gross exposure at the end of each period (sum of the absolute position values over equity), shape
(n,). ``traded`` is the absolute value of all fills in each period and ``costs`` what they cost (commissions and
slippage; positive is a cost), ``equity`` the equity at the end of each period: all in account currency, shape (n,).
"""

from __future__ import annotations

import numpy as np

from performance.series import NAN, Series, as_array, as_equity, mean, ratio


def average_exposure(exposure: Series) -> float:
    """Mean gross exposure.

    Returns
    -------
    float
        Fraction of equity; NaN of nothing.

    Notes
    -----
    Formula: ``mean(exposure)``
    Source: plain.
    """
    return mean(as_array(exposure, "exposure"))


def largest_exposure(exposure: Series) -> float:
    """Largest gross exposure.

    Returns
    -------
    float
        Fraction of equity; NaN of nothing.

    Notes
    -----
    Formula: ``max(exposure)``
    Source: plain.
    """
    array = as_array(exposure, "exposure")
    return float(array.max()) if array.size else NAN


def time_in_market(exposure: Series) -> float:
    """Share of the periods that ended with a position.

    Returns
    -------
    float
        In [0, 1]; NaN of nothing.

    Notes
    -----
    Formula: ``count(exposure > 0) / n``
    Source: plain.
    """
    return mean((as_array(exposure, "exposure") > 0.0).astype(np.float64))


def turnover_annual(traded: Series, equity: Series, *, periods_per_year: float = 252.0) -> float:
    """How often the equity is turned over in a year, one side counted: buying and selling all of it is 1.

    Returns
    -------
    float
        Times a year; NaN of nothing.

    Notes
    -----
    Formula: ``P / n * sum(traded) / 2 / mean(equity)``
    Source: R. C. Grinold and R. N. Kahn (2000).
    """
    values, curve = _alike(traded, equity, "traded")
    return periods_per_year * ratio(mean(values) / 2.0, mean(curve))


def costs_annual(costs: Series, equity: Series, *, periods_per_year: float = 252.0) -> float:
    """Costs a year as a share of the equity: what the return would be higher by without them, about.

    Returns
    -------
    float
        Fraction a year; NaN of nothing.

    Notes
    -----
    Formula: ``P / n * sum(costs) / mean(equity)``
    Source: plain.
    """
    values, curve = _alike(costs, equity, "costs")
    return periods_per_year * ratio(mean(values), mean(curve))


def costs_bps(costs: Series, traded: Series) -> float:
    """Costs of what was bought and sold.

    Returns
    -------
    float
        Basis points of the value traded; NaN when nothing was.

    Notes
    -----
    Formula: ``1e4 * sum(costs) / sum(traded)``
    Source: plain.
    """
    spent, values = as_array(costs, "costs"), as_array(traded, "traded")
    if len(spent) != len(values):
        raise ValueError(f"{len(spent)} costs but {len(values)} of traded")
    return 1e4 * ratio(float(spent.sum()), float(values.sum()))


def _alike(values: Series, equity: Series, name: str) -> tuple[np.ndarray, np.ndarray]:
    array, curve = as_array(values, name), as_equity(equity)
    if len(array) != len(curve):
        raise ValueError(f"{len(array)} of {name} but {len(curve)} of equity")
    return array, curve


MEASURES = (
    average_exposure,
    largest_exposure,
    time_in_market,
    turnover_annual,
    costs_annual,
    costs_bps,
)
