"""Figures of a series of session returns, by the formulas of `performance.measures`."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from performance.drawdowns import longest_under_water, max_drawdown
from performance.ratios import sharpe_ratio
from performance.returns import cagr
from performance.risk import volatility_annual

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a curve did; fractions, NaN where there is too little history or no variation.

    ``longest_under_water`` is in sessions; ``worst_session`` a return.
    """

    sessions: int
    total_return: float
    cagr: float
    volatility_annual: float
    sharpe: float
    max_drawdown: float
    longest_under_water: float
    worst_session: float

    def as_dict(self) -> dict[str, float]:
        """By name."""
        return asdict(self)


def figures_of(returns: FloatArray) -> Figures:
    """Figures of session returns, oldest first; a loss of everything ends the curve at 0."""
    if not len(returns):
        nan = float("nan")
        return Figures(
            sessions=0,
            total_return=nan,
            cagr=nan,
            volatility_annual=nan,
            sharpe=nan,
            max_drawdown=nan,
            longest_under_water=nan,
            worst_session=nan,
        )
    curve = curve_of(returns)
    alive = bool((curve > 0).all())
    return Figures(
        sessions=len(returns),
        total_return=float(curve[-1] - 1.0),
        cagr=cagr(returns) if alive else -1.0,
        volatility_annual=volatility_annual(returns),
        sharpe=sharpe_ratio(returns),
        max_drawdown=max_drawdown(curve) if alive else 1.0,
        longest_under_water=longest_under_water(curve) if alive else float(len(returns)),
        worst_session=float(returns.min()),
    )


def curve_of(returns: FloatArray) -> FloatArray:
    """Equity from 1, shape (sessions + 1,)."""
    return np.concatenate([[1.0], np.cumprod(1.0 + np.asarray(returns, dtype=np.float64))])


def returns_of(values: FloatArray) -> FloatArray:
    """Find the returns between values, shape (values - 1,); 0 after a loss of everything."""
    before = values[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        found = values[1:] / before - 1.0
    return np.asarray(np.where(before > 0.0, found, 0.0))
