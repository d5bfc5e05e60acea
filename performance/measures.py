"""Measures of an equity curve."""

from __future__ import annotations

from collections.abc import Iterable


def max_drawdown(equity: Iterable[float]) -> float:
    """Largest fall from a running peak, as a positive fraction of that peak.

    Parameters
    ----------
    equity
        Net liquidation values in order of time, all positive and finite.

    Returns
    -------
    float
        0.0 for an empty, a single-valued or a never falling series.

    Raises
    ------
    ValueError
        If a value is not positive or not finite.
    """
    peak = worst = 0.0
    for value in equity:
        if not 0.0 < value < float("inf"):
            raise ValueError(f"a drawdown needs positive, finite values, not {value}")
        peak = max(peak, value)
        worst = max(worst, 1.0 - value / peak)
    return worst
