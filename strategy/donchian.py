"""Donchian breakout: with a close beyond the channel of the earlier bars, until a trailing stop is crossed.

A long begins when the close stands above the highest high of the ``channel_window`` bars before it, a short when it
stands below the lowest low. The stop begins ``stop_atr_multiple`` average true ranges behind the entry's close and
follows each close at that distance, never backwards; a close beyond it ends the position. A breakout to the other
side turns the position, which the decision takes through flat.

The stop is judged here on closes, so that the exit is an order on the next bar. What works at the broker while we are away
is the protective stop of the decision, which can trail too (``sizing.stop_kind``).

R. D. Donchian, "High Finance in Copper", Financial Analysts Journal 16 (1960): the four-week rule. Brock, Lakonishok
and LeBaron, Journal of Finance 47 (1992): the trading range break over 50, 150 and 200 days. The stop trails as Charles
LeBeau's chandelier exit, from the close instead of the high.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from core.indicators import (
    MAX_WINDOW,
    AtrState,
    ChannelState,
    atr_step,
    bar_is_whole,
    channel_step,
    new_atr,
    new_channel,
)
from core.kernel import kernel
from strategy.base import BarRow, ParameterSpec, StrategyKind


class DonchianParameters(NamedTuple):
    """Lengths in bars; distance of the stop in average true ranges."""

    channel_window: int
    atr_window: int
    stop_atr_multiple: float


class DonchianState(NamedTuple):
    """The channel and its ends up to the last bar, the ATR, the weight last asked for and the stop."""

    channel: ChannelState
    upper: float
    lower: float
    atr: AtrState
    weight: float
    stop: float


def new_state(parameters: DonchianParameters) -> DonchianState:
    """Empty state for one symbol."""
    return DonchianState(
        channel=new_channel(parameters.channel_window),
        upper=math.nan,
        lower=math.nan,
        atr=new_atr(),
        weight=math.nan,
        stop=math.nan,
    )


@kernel
def step(parameters: DonchianParameters, state: DonchianState, bar: BarRow) -> tuple[DonchianState, float]:
    """Weight +1, 0 or -1 by the rule above; NaN until the channel of the earlier bars and the ATR are known.

    Parameters
    ----------
    parameters
        Windows and distance.
    state
        From `new_state`; its rings are written in place.
    bar
        The bar that has just closed. One that is not whole leaves everything as it was.
    """
    if not bar_is_whole(bar.open, bar.high, bar.low, bar.close):
        return state, state.weight
    channel, upper, lower = channel_step(state.channel, bar.high, bar.low)
    atr, true_range = atr_step(state.atr, bar.high, bar.low, bar.close, parameters.atr_window)
    weight, stop = math.nan, math.nan
    if not (math.isnan(state.upper) or math.isnan(true_range)):
        before = 0.0 if math.isnan(state.weight) else state.weight
        weight = _direction(state, bar.close, before)
        stop = bar.close - weight * parameters.stop_atr_multiple * true_range
        if weight == before:
            stop = _further(weight, state.stop, stop)
    return DonchianState(channel, upper, lower, atr, weight, stop), weight


@kernel
def _direction(state: DonchianState, close: float, before: float) -> float:
    """Side to be on after this close, having been on the side ``before``."""
    if close > state.upper:
        return 1.0
    if close < state.lower:
        return -1.0
    if (close - state.stop) * before < 0.0:
        return 0.0
    return before


@kernel
def _further(weight: float, stop: float, wanted: float) -> float:
    """Keep the stop that is nearer to the market; it never goes back."""
    return max(stop, wanted) if weight > 0.0 else min(stop, wanted)


def _warmup_bars(parameters: DonchianParameters) -> int:
    return max(parameters.channel_window + 1, parameters.atr_window)


DONCHIAN = StrategyKind(
    name="donchian",
    summary="Channel breakout: with a new extreme of the close until an ATR trailing stop is crossed",
    specs=(
        ParameterSpec(
            name="channel_window",
            default=20,
            low=2,
            high=MAX_WINDOW,
            search=(20, 50, 100),
            meaning="bars of the channel that the close must leave",
        ),
        ParameterSpec(
            name="atr_window", default=20, low=2, high=200, search=(14, 20), meaning="bars of the ATR"
        ),
        ParameterSpec(
            name="stop_atr_multiple",
            default=3.0,
            low=0.5,
            high=20.0,
            search=(2.0, 3.0, 4.0),
            meaning="distance of the trailing stop in ATR",
        ),
    ),
    parameters_type=DonchianParameters,
    new_state=new_state,
    step=step,
    warmup_bars=_warmup_bars,
)
