"""Scales that the account's own history puts on new risk: drawdown throttle and volatility target. Kernels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.kernel import inlined_kernel, kernel

SESSIONS_PER_YEAR = 252.0
"""Trading days by which a daily volatility is annualised (its square root)."""


@inlined_kernel
def drawdown_of(nlv: float, peak_nlv: float) -> float:
    """Loss from the peak as a fraction, in [0, 1]; NaN when either value is unknown or the peak isn't positive."""
    if not (math.isfinite(nlv) and math.isfinite(peak_nlv)) or peak_nlv <= 0.0:
        return math.nan
    # Divided last: 10,000 of 100,000 is then exactly the 0.1 of a limit, which 1 - 0.9 is not.
    return min(max((peak_nlv - nlv) / peak_nlv, 0.0), 1.0)


@inlined_kernel
def throttle_scale(
    levels: npt.NDArray[np.float64], scales: npt.NDArray[np.float64], drawdown: float
) -> float:
    """Scale of the last step of the staircase that ``drawdown`` has reached; 1 below the first, NaN if unknown.

    Parameters
    ----------
    levels
        Drawdowns at which a step begins (inclusive), rising strictly.
    scales
        Scale from that level on, not rising.
    drawdown
        Positive fraction.
    """
    if math.isnan(drawdown):
        return math.nan
    scale = 1.0
    for step in range(levels.size):
        if drawdown >= levels[step]:
            scale = scales[step]
    return scale


class VolatilityState(NamedTuple):
    """Daily returns of the account, free of our own scaling. ``returns`` is a ring that is written in place."""

    returns: npt.NDArray[np.float64]
    sessions: int
    last_nlv: float
    last_scale: float


def new_volatility(window_sessions: int) -> VolatilityState:
    """State without history."""
    return VolatilityState(
        returns=np.zeros(window_sessions, dtype=np.float64), sessions=0, last_nlv=math.nan, last_scale=1.0
    )


@kernel
def realised_volatility(state: VolatilityState) -> float:
    """Annualised standard deviation (sample, n - 1) of the returns in the window; NaN with fewer than two."""
    held = min(state.sessions, state.returns.size)
    if held < 2:
        return math.nan
    mean = 0.0
    for index in range(held):
        mean += state.returns[index] / held
    squares = 0.0
    for index in range(held):
        squares += (state.returns[index] - mean) * (state.returns[index] - mean)
    return math.sqrt(squares / (held - 1) * SESSIONS_PER_YEAR)


@kernel
def volatility_scale(state: VolatilityState, target_annual: float, max_leverage: float) -> float:
    """Scale that brings the account's volatility to its target: ``target / realised``.

    Until the window is full the scale may fall but never exceeds 1: a calm week is no evidence for leverage. The
    same holds when nothing has moved, for an account that held no position shows no volatility. Never above
    ``max_leverage``.
    """
    realised = realised_volatility(state)
    if math.isnan(realised) or realised <= 0.0:
        return min(1.0, max_leverage)
    ceiling = max_leverage if state.sessions >= state.returns.size else min(1.0, max_leverage)
    return min(target_annual / realised, ceiling)


@kernel
def close_session(
    state: VolatilityState, nlv: float, target_annual: float, max_leverage: float
) -> VolatilityState:
    """Book the session that ended at ``nlv``. Call it once a session, after its last bar.

    The return is divided by the scale that was in force, so that the window holds what the strategies would have
    done unscaled. (Otherwise halving the exposure halves the measured volatility, which doubles the next scale,
    and the scale swings for ever.) A session whose ``nlv`` is unknown is passed over.

    Parameters
    ----------
    state
        Its ring is written in place.
    nlv
        Net liquidation value at the close.
    target_annual, max_leverage
        As for `volatility_scale`, to fix the scale of the next session.
    """
    if not math.isfinite(nlv) or nlv <= 0.0:
        return state
    sessions = state.sessions
    if state.last_nlv > 0.0:  # False for NaN: the first close has no return
        state.returns[sessions % state.returns.size] = (nlv / state.last_nlv - 1.0) / state.last_scale
        sessions += 1
    booked = VolatilityState(state.returns, sessions, nlv, 1.0)
    return VolatilityState(
        state.returns, sessions, nlv, volatility_scale(booked, target_annual, max_leverage)
    )


def volatility_after(
    closes: Iterable[float], window_sessions: int, target_annual: float, max_leverage: float
) -> VolatilityState:
    """Build the state after a history of session closes (NLV, oldest first): `close_session` folded over them."""
    state = new_volatility(window_sessions)
    for nlv in closes:
        state = close_session(state, float(nlv), target_annual, max_leverage)
    return state
