"""Time-series momentum: with the sign of a symbol's own past return, in proportion to how calm it is.

``weight = sign(close / close[lookback bars ago] - 1) * min(1, target volatility / volatility)``, the volatility being that
of the last ``volatility_window`` logarithmic changes, annualised.

The decision sizes a position at its entry and holds it while the sign stays, so the weight of the entry's bar counts;
later changes of the volatility reach the position at its next entry. This scale is a symbol's own; the decision's
volatility target looks at the whole account and comes on top.

Moskowitz, Ooi and Pedersen, "Time Series Momentum", Journal of Financial Economics 104 (2012), equation 5: twelve months,
a target of 40% a year for each instrument, and no bound on the weight. Their volatility is an exponential average; a
plain window forgets completely, so that a restart after the warm-up decides what it would have decided without one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from core.indicators import (
    MAX_WINDOW,
    LagState,
    VolatilityState,
    bar_is_whole,
    lag_step,
    new_lag,
    new_volatility,
    volatility_step,
)
from core.kernel import kernel
from strategy.base import BarRow, ParameterSpec, StrategyKind


class TimeSeriesMomentumParameters(NamedTuple):
    """Lengths in bars; target volatility as a fraction a year; bars in a year."""

    lookback: int
    volatility_window: int
    target_volatility_annual: float
    bars_per_year: float


class TimeSeriesMomentumState(NamedTuple):
    """The closes of the look-back, their volatility, and the weight last asked for."""

    closes: LagState
    volatility: VolatilityState
    weight: float


def new_state(parameters: TimeSeriesMomentumParameters) -> TimeSeriesMomentumState:
    """Empty state for one symbol."""
    return TimeSeriesMomentumState(
        closes=new_lag(parameters.lookback),
        volatility=new_volatility(parameters.volatility_window),
        weight=math.nan,
    )


@kernel
def step(
    parameters: TimeSeriesMomentumParameters, state: TimeSeriesMomentumState, bar: BarRow
) -> tuple[TimeSeriesMomentumState, float]:
    """Weight in [-1, 1] by the formula above; NaN until both windows are full.

    Parameters
    ----------
    parameters
        Windows and target.
    state
        From `new_state`; its rings are written in place.
    bar
        The bar that has just closed. One that is not whole leaves everything as it was.
    """
    if not bar_is_whole(bar.open, bar.high, bar.low, bar.close):
        return state, state.weight
    closes, earlier = lag_step(state.closes, bar.close)
    volatility, per_bar = volatility_step(state.volatility, bar.close)
    weight = math.nan
    if not (math.isnan(earlier) or math.isnan(per_bar)):
        annual = per_bar * math.sqrt(parameters.bars_per_year)
        size = 1.0
        if annual > parameters.target_volatility_annual:
            size = parameters.target_volatility_annual / annual
        weight = 0.0
        if bar.close > earlier:
            weight = size
        elif bar.close < earlier:
            weight = -size
    return TimeSeriesMomentumState(closes, volatility, weight), weight


def _warmup_bars(parameters: TimeSeriesMomentumParameters) -> int:
    return max(parameters.lookback, parameters.volatility_window) + 1


TIME_SERIES_MOMENTUM = StrategyKind(
    name="time_series_momentum",
    summary="With the sign of the symbol's own past return, scaled to a target volatility",
    specs=(
        ParameterSpec(
            name="lookback",
            default=252,
            low=2,
            high=MAX_WINDOW,
            search=(63, 126, 252),
            meaning="bars over which the return is taken",
        ),
        ParameterSpec(
            name="volatility_window",
            default=60,
            low=5,
            high=MAX_WINDOW,
            search=(30, 60),
            meaning="changes in the volatility",
        ),
        ParameterSpec(
            name="target_volatility_annual",
            default=0.15,
            low=0.01,
            high=1.0,
            search=(0.1, 0.15, 0.2),
            meaning="volatility a year that a full weight stands for",
        ),
        ParameterSpec(
            name="bars_per_year",
            default=252.0,
            low=1.0,
            high=2_000_000.0,
            search=(252.0,),
            meaning="252 for daily bars, 19656 for 5-minute bars",
        ),
    ),
    parameters_type=TimeSeriesMomentumParameters,
    new_state=new_state,
    step=step,
    warmup_bars=_warmup_bars,
)
