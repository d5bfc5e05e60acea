"""From a signal to a quantity: the arithmetic that live trading and the backtest share. Kernels only."""

from __future__ import annotations

import math

from core.kernel import inlined_kernel


@inlined_kernel
def risk_quantity(equity: float, risk_fraction: float, stop_distance: float) -> float:
    """Quantity at which a stop ``stop_distance`` away loses ``risk_fraction`` of ``equity``.

    ``q = equity * risk_fraction / stop_distance``: fixed fractional sizing on Wilder's ATR, as the Turtle system's
    unit (C. Faith, *Way of the Turtle*, 2007, chapter 8).

    Parameters
    ----------
    equity
        Net liquidation value given to the strategy; above 0.
    risk_fraction
        Share of it to lose at the stop.
    stop_distance
        Price difference between entry and stop; above 0.

    Returns
    -------
    float
        Not rounded. NaN when an argument is NaN.
    """
    return equity * risk_fraction / stop_distance


@inlined_kernel
def whole_shares(quantity: float) -> float:
    """Largest whole number not above ``quantity``; 0 for what is negative or not finite."""
    if math.isfinite(quantity) and quantity > 0.0:
        return float(math.floor(quantity))
    return 0.0


@inlined_kernel
def share_of(room: float, wanted: float) -> float:
    """Fraction of ``wanted`` that fits into ``room``, in [0, 1].

    Every claimant of one room is cut by the same fraction, so the result does not depend on their order.
    """
    if wanted <= room:
        return 1.0
    return max(room, 0.0) / wanted


@inlined_kernel
def sign(value: float) -> int:
    """-1, 0 or +1; 0 for NaN."""
    if value > 0.0:
        return 1
    if value < 0.0:
        return -1
    return 0
