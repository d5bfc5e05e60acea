"""Pairs: two stocks that have moved together, traded against each other while their distance is extreme.

Over the last ``window`` bars the logarithmic price of the first leg is regressed on that of the second,

    log A = a + beta * log B + e,        z = e / standard error of the regression

with z taken at the newest bar. Below ``-entry_z`` the spread is bought (A long, B short), above ``entry_z`` it is sold.
It is closed when z has come back to ``exit_z``, or when it has gone beyond ``stop_z``, from where nothing is entered
before z has been inside ``exit_z`` again. No entry while beta is not positive.

The weights make the decision buy dollars in the ratio 1 : beta, although it sizes each leg by its own average true range:
their ratio is ``beta * (ATR_B / close_B) / (ATR_A / close_A)``, the larger being 1. They are set at the entry and kept.

E. Gatev, W. N. Goetzmann and K. G. Rouwenhorst, "Pairs Trading: Performance of a Relative-Value Arbitrage Rule", Review of
Financial Studies 19 (2006); the hedge ratio by regression is that of G. Vidyamurthy, *Pairs Trading* (2004), chapter 5.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.indicators import MAX_WINDOW, AtrState, atr_step, bar_is_whole, new_atr
from core.kernel import kernel
from strategy.base import BarRow, ParameterSpec, StrategyKind

FloatArray = npt.NDArray[np.float64]


class PairsParameters(NamedTuple):
    """Lengths in bars; levels in standard errors of the spread."""

    window: int
    entry_z: float
    exit_z: float
    stop_z: float
    atr_window: int


class PairsState(NamedTuple):
    """What both legs remember: logarithmic prices of the last bars, the two ATRs, and the position in the spread.

    ``side`` is +1 for a bought spread, -1 for a sold one; ``first`` and ``second`` the sizes of the legs' weights; ``barred``
    whether z has to come back before the next entry. ``known`` says whether there has been a z at all.
    """

    logs: FloatArray
    seen: int
    first_atr: AtrState
    second_atr: AtrState
    side: int
    first: float
    second: float
    barred: bool
    known: bool


class Spread(NamedTuple):
    """Slope of the regression, and the newest residual in standard errors; NaN where they can't be known."""

    beta: float
    z: float


def new_state(parameters: PairsParameters) -> PairsState:
    """Empty state of one leg."""
    return PairsState(
        logs=np.zeros((parameters.window, 2)),
        seen=0,
        first_atr=new_atr(),
        second_atr=new_atr(),
        side=0,
        first=0.0,
        second=0.0,
        barred=False,
        known=False,
    )


@kernel
def step(
    parameters: PairsParameters, state: PairsState, own: BarRow, other: BarRow, leads: bool
) -> tuple[PairsState, float]:
    """Weight of one leg after a bar that both legs have; NaN until the window is full.

    Both legs are stepped with the same two bars and come to the same spread, so neither needs the other's state.

    Parameters
    ----------
    parameters
        Window and levels.
    state
        From `new_state`; its ring is written in place.
    own, other
        The bar that has just closed, of this leg and of its partner. If either is not whole, everything stays as it was.
    leads
        Whether this leg is the pair's first.
    """
    first, second = (own, other) if leads else (other, own)
    if bar_is_whole(*first[:4]) and bar_is_whole(*second[:4]):
        state = _advance(parameters, state, first, second)
    if not state.known:
        return state, math.nan
    return state, state.side * state.first if leads else -state.side * state.second


@kernel
def _advance(parameters: PairsParameters, state: PairsState, first: BarRow, second: BarRow) -> PairsState:
    """Take a bar of both legs."""
    place = state.seen % parameters.window
    state.logs[place, 0] = math.log(first.close)
    state.logs[place, 1] = math.log(second.close)
    first_atr, first_range = atr_step(
        state.first_atr, first.high, first.low, first.close, parameters.atr_window
    )
    second_atr, second_range = atr_step(
        state.second_atr, second.high, second.low, second.close, parameters.atr_window
    )
    seen = state.seen + 1
    side, barred, known = state.side, state.barred, state.known
    sizes = (state.first, state.second)
    if seen >= parameters.window and seen >= parameters.atr_window:
        known = True
        spread = fit_spread(state.logs, place)
        hedge = spread.beta * (second_range / second.close) / (first_range / first.close)
        side, barred = _side(parameters, state, spread, 0.0 < hedge < math.inf)
        if side != 0 and state.side == 0:
            sizes = (1.0 / max(1.0, hedge), hedge / max(1.0, hedge))
    return PairsState(state.logs, seen, first_atr, second_atr, side, sizes[0], sizes[1], barred, known)


@kernel
def _side(
    parameters: PairsParameters, state: PairsState, spread: Spread, can_enter: bool
) -> tuple[int, bool]:
    """Side of the spread to be on, and whether z must come back before the next entry."""
    size = abs(spread.z)
    if math.isnan(size):
        return state.side, state.barred
    barred = state.barred and size > parameters.exit_z
    if state.side != 0:
        back = spread.z * state.side >= -parameters.exit_z
        stopped = spread.z * state.side <= -parameters.stop_z
        return (0 if back or stopped else state.side), stopped
    if can_enter and not barred and parameters.entry_z <= size < parameters.stop_z:
        return (-1 if spread.z > 0.0 else 1), False
    return 0, barred


@kernel
def fit_spread(logs: FloatArray, newest: int) -> Spread:
    """Regress the first column on the second by least squares.

    Parameters
    ----------
    logs
        Shape (window, 2), in any order of the rows; three rows at least.
    newest
        Row of the newest bar.

    Returns
    -------
    Spread
        NaN for z when the second column doesn't vary or the fit is perfect.
    """
    count = logs.shape[0]
    first_mean, second_mean = 0.0, 0.0
    for row in range(count):
        first_mean += logs[row, 0]
        second_mean += logs[row, 1]
    first_mean /= count
    second_mean /= count
    both, own, squares = 0.0, 0.0, 0.0
    for row in range(count):
        first, second = logs[row, 0] - first_mean, logs[row, 1] - second_mean
        both += first * second
        own += second * second
        squares += first * first
    if not own > 0.0:
        return Spread(math.nan, math.nan)
    beta = both / own
    rest = squares - beta * both
    if not rest > 1e-12 * squares:
        return Spread(beta, math.nan)
    residual = logs[newest, 0] - first_mean - beta * (logs[newest, 1] - second_mean)
    return Spread(beta, residual / math.sqrt(rest / (count - 2)))


def _warmup_bars(parameters: PairsParameters) -> int:
    return max(parameters.window, parameters.atr_window)


def _conflict(parameters: PairsParameters) -> str | None:
    if parameters.exit_z < parameters.entry_z < parameters.stop_z:
        return None
    return f"entry_z: {parameters.entry_z:g} must lie between exit_z ({parameters.exit_z:g}) and stop_z ({parameters.stop_z:g})"


PAIRS = StrategyKind(
    name="pairs",
    summary="Two symbols against each other while the spread of a regression is extreme",
    specs=(
        ParameterSpec(
            name="window",
            default=60,
            low=10,
            high=MAX_WINDOW,
            search=(60, 120, 250),
            meaning="bars of the regression",
        ),
        ParameterSpec(
            name="entry_z",
            default=2.0,
            low=0.5,
            high=10.0,
            search=(1.5, 2.0, 2.5),
            meaning="z at which to enter",
        ),
        ParameterSpec(
            name="exit_z",
            default=0.5,
            low=0.0,
            high=5.0,
            search=(0.0, 0.5),
            meaning="z at which to leave with the spread back",
        ),
        ParameterSpec(
            name="stop_z",
            default=4.0,
            low=1.0,
            high=50.0,
            search=(4.0,),
            meaning="z at which to give the spread up",
        ),
        ParameterSpec(
            name="atr_window", default=14, low=2, high=200, search=(14,), meaning="bars of the legs' ATR"
        ),
    ),
    parameters_type=PairsParameters,
    new_state=new_state,
    step=step,
    warmup_bars=_warmup_bars,
    conflict=_conflict,
    trades_pairs=True,
)
