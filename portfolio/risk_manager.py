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


RETURN_STEPS = 2.0**26
"""Steps a unit in which session returns are summed: 1.5e-8. Sums of whole numbers don't drift."""

LARGEST_RETURN = 2.0
"""Returns beyond this (200% in a session) count as this: 2**(2 * 27) * `MAX_WINDOW_SESSIONS` fits into an int64."""

MAX_WINDOW_SESSIONS = 500
"""Longest window of the volatility target."""


class VolatilitySums(NamedTuple):
    """What is remembered of the session returns besides themselves.

    ``place`` is the oldest return's place in the ring once that is full; ``total`` and ``squares`` are sums over it.
    """

    place: int
    total: int
    squares: int
    sessions: int
    last_nlv: float
    last_scale: float


class VolatilityState(NamedTuple):
    """Session returns of the account in steps, free of our own scaling, and the fields of `VolatilitySums`.

    ``returns`` is a ring that is written in place.
    """

    returns: npt.NDArray[np.int64]
    place: int
    total: int
    squares: int
    sessions: int
    last_nlv: float
    last_scale: float


def new_volatility(window_sessions: int) -> VolatilityState:
    """State without history; ``window_sessions`` is at most `MAX_WINDOW_SESSIONS`."""
    if not 2 <= window_sessions <= MAX_WINDOW_SESSIONS:
        raise ValueError(
            f"the volatility needs a window of 2 to {MAX_WINDOW_SESSIONS} sessions, not {window_sessions}"
        )
    returns = np.zeros(window_sessions, dtype=np.int64)
    return VolatilityState(returns, *no_sessions())


@inlined_kernel
def no_sessions() -> VolatilitySums:
    """Make sums over no return at all."""
    return VolatilitySums(place=0, total=0, squares=0, sessions=0, last_nlv=math.nan, last_scale=1.0)


@inlined_kernel
def _squared_deviations(total: int, squares: int, held: int) -> float:
    """Sum of the squared deviations from the mean of the ``held`` returns in the window, in steps squared."""
    return max(float(squares) - float(total) * float(total) / held, 0.0)


@kernel
def realised_volatility(state: VolatilityState) -> float:
    """Annualised standard deviation (sample, n - 1) of the returns in the window; NaN with fewer than two."""
    held = min(state.sessions, state.returns.size)
    if held < 2:
        return math.nan
    deviations = _squared_deviations(state.total, state.squares, held)
    return math.sqrt(deviations * SESSIONS_PER_YEAR / (held - 1)) / RETURN_STEPS


@inlined_kernel
def volatility_scale(
    sums: VolatilitySums, window_sessions: int, target_annual: float, max_leverage: float
) -> float:
    """Scale that brings the account's volatility to its target: ``target / realised``.

    Until the window is full the scale may fall but never exceeds 1: a calm week is no evidence for leverage. The
    same holds when nothing has moved, for an account that held no position shows no volatility. Never above
    ``max_leverage``.
    """
    held = min(sums.sessions, window_sessions)
    ceiling = max_leverage if held == window_sessions else min(1.0, max_leverage)
    target = target_annual * RETURN_STEPS
    allowed = target * target / SESSIONS_PER_YEAR * (held - 1)
    # Most sessions: neither root nor division. The deviations are surely above 0, and no more than the squares.
    total, squares = float(sums.total), float(sums.squares)
    if total * total < squares * held * (1.0 - 1e-9) and squares * ceiling * ceiling <= allowed:
        return ceiling
    deviations = _squared_deviations(sums.total, sums.squares, held) if held >= 2 else 0.0
    if deviations <= 0.0:
        return min(1.0, max_leverage)
    if deviations * ceiling * ceiling <= allowed:
        return ceiling
    return min(math.sqrt(allowed / deviations), ceiling)


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
    returns, place, total, squares, sessions, last_nlv, last_scale = state
    before = VolatilitySums(place, total, squares, sessions, last_nlv, last_scale)
    sums = book_session(returns, before, nlv, target_annual, max_leverage)
    return VolatilityState(
        returns, sums.place, sums.total, sums.squares, sums.sessions, sums.last_nlv, sums.last_scale
    )


@inlined_kernel
def book_session(
    returns: npt.NDArray[np.int64],
    sums: VolatilitySums,
    nlv: float,
    target_annual: float,
    max_leverage: float,
) -> VolatilitySums:
    """`close_session` for a caller that keeps the ring and the rest apart."""
    place, total, squares, sessions, last_nlv, last_scale = sums
    if not 0.0 < nlv < math.inf:  # also True for NaN
        return sums
    if last_nlv > 0.0:  # False for NaN: the first close has no return
        change = (nlv / last_nlv - 1.0) / last_scale
        steps = math.floor(min(max(change, -LARGEST_RETURN), LARGEST_RETURN) * RETURN_STEPS + 0.5)
        dropped = returns[place]
        returns[place] = steps
        total += steps - dropped
        squares += steps * steps - dropped * dropped
        place = place + 1 if place + 1 < returns.size else 0
        sessions += 1
    booked = VolatilitySums(place, total, squares, sessions, nlv, 1.0)
    scale = volatility_scale(booked, returns.size, target_annual, max_leverage)
    return VolatilitySums(place, total, squares, sessions, nlv, scale)


@inlined_kernel
def book_still_sessions(
    returns: npt.NDArray[np.int64],
    sums: VolatilitySums,
    count: int,
    target_annual: float,
    max_leverage: float,
) -> VolatilitySums:
    """`book_session`, ``count`` times with the value that was booked last: returns of 0.

    The scale of each session is needed for its return only, and 0 stays 0 at any scale.
    """
    place, total, squares, sessions, last_nlv, last_scale = sums
    if count <= 0 or not last_nlv > 0.0:  # also True for NaN
        return sums
    if squares == 0:  # the ring holds nothing else
        place = (place + count) % returns.size
    else:
        for _ in range(min(count, returns.size)):
            dropped = returns[place]
            returns[place] = 0
            total -= dropped
            squares -= dropped * dropped
            place = place + 1 if place + 1 < returns.size else 0
        place = (place + max(count - returns.size, 0)) % returns.size
    booked = VolatilitySums(place, total, squares, sessions + count, last_nlv, last_scale)
    scale = volatility_scale(booked, returns.size, target_annual, max_leverage)
    return VolatilitySums(place, total, squares, sessions + count, last_nlv, scale)


def volatility_after(
    closes: Iterable[float], window_sessions: int, target_annual: float, max_leverage: float
) -> VolatilityState:
    """Build the state after a history of session closes (NLV, oldest first): `close_session` folded over them."""
    state = new_volatility(window_sessions)
    for nlv in closes:
        state = close_session(state, float(nlv), target_annual, max_leverage)
    return state
