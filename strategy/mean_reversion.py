"""Mean reversion: buy what the relative strength index calls oversold, sell what it calls overbought.

From flat, a long begins when the RSI falls below ``oversold`` and a short when it rises above ``overbought``. Either
ends when the RSI comes back to ``exit_level``. A long that shoots through to overbought turns into a short
on the same bar, and the reverse; the decision takes that through flat.

J. Welles Wilder, *New Concepts in Technical Trading Systems* (1978), section VI, reads 30 and 70 as the extremes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from core.indicators import RsiState, new_rsi, rsi_step
from core.kernel import kernel
from strategy.base import BarRow, ParameterSpec, StrategyKind


class MeanReversionParameters(NamedTuple):
    """Length of the RSI in bars, and its levels in [0, 100]."""

    window: int
    oversold: float
    overbought: float
    exit_level: float


class MeanReversionState(NamedTuple):
    """The RSI and the direction last asked for."""

    rsi: RsiState
    direction: float


def new_state(parameters: MeanReversionParameters) -> MeanReversionState:  # noqa: ARG001 (one contract for all)
    """Empty state for one symbol."""
    return MeanReversionState(rsi=new_rsi(), direction=0.0)


@kernel
def step(
    parameters: MeanReversionParameters, state: MeanReversionState, bar: BarRow
) -> tuple[MeanReversionState, float]:
    """Weight +1, 0 or -1 by the rule above; NaN until the RSI's window is full.

    Parameters
    ----------
    parameters
        Window and levels.
    state
        From `new_state`.
    bar
        The bar that has just closed. A close that is not finite leaves everything as it was.
    """
    rsi, value = rsi_step(state.rsi, bar.close, parameters.window)
    direction = state.direction
    if math.isnan(value):
        return MeanReversionState(rsi, direction), math.nan
    if value < parameters.oversold:
        direction = 1.0
    elif value > parameters.overbought:
        direction = -1.0
    elif (value - parameters.exit_level) * direction >= 0.0:
        direction = 0.0
    return MeanReversionState(rsi, direction), direction


def _warmup_bars(parameters: MeanReversionParameters) -> int:
    return parameters.window + 1


def _conflict(parameters: MeanReversionParameters) -> str | None:
    low, middle, high = parameters.oversold, parameters.exit_level, parameters.overbought
    if low < middle < high:
        return None
    return f"exit_level: {middle} must lie between oversold ({low}) and overbought ({high})"


MEAN_REVERSION = StrategyKind(
    name="mean_reversion",
    summary="Wilder's RSI: against an extreme move until the index is back in the middle",
    specs=(
        ParameterSpec(
            name="window", default=14, low=2, high=200, search=(10, 14, 21), meaning="changes in the RSI"
        ),
        ParameterSpec(
            name="oversold",
            default=30.0,
            low=1.0,
            high=49.0,
            search=(25.0, 30.0),
            meaning="RSI below which to buy",
        ),
        ParameterSpec(
            name="overbought",
            default=70.0,
            low=51.0,
            high=99.0,
            search=(70.0, 75.0),
            meaning="RSI above which to sell",
        ),
        ParameterSpec(
            name="exit_level",
            default=50.0,
            low=2.0,
            high=98.0,
            search=(50.0,),
            meaning="RSI at which to leave",
        ),
    ),
    parameters_type=MeanReversionParameters,
    new_state=new_state,
    step=step,
    warmup_bars=_warmup_bars,
    conflict=_conflict,
)
