"""Williams %R in trend: buy a deep pullback while the trend is up, with a wide trailing stop.

From flat, a long begins when %R falls below ``entry_level`` and the close stands above its moving average. The position is
taken at the next bar's open; its stop stands ``stop_atr_multiple`` average true ranges (of the bar that signalled) below
that open, and follows each close upwards at the same number of ranges. A bar whose low touches the stop ends
the position, and so does a close with %R above ``exit_level`` below the moving average. On the bar of an exit nothing is
entered anew: the decision has to see the 0.

The stop is judged here when the bar has closed, so that the exit is filled at the next open. The system that this
follows fills at the stop itself (at the open when the price gaps through it): that is what the decision's protective stop
does, at the broker, with ``sizing.stop_kind`` trailing and ``sizing.stop_atr_multiple`` as wide as this stop.

Larry Williams, *How I Made One Million Dollars ... Last Year ... Trading Commodities* (1973), for %R; the levels and the
distance of the stop come from the system's predecessor, which ran on 5-minute bars of the regular session.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from core.indicators import (
    FIXED_POINT,
    MAX_WINDOW,
    AtrState,
    ChannelState,
    SmaState,
    atr_step,
    bar_is_whole,
    channel_step,
    new_atr,
    new_channel,
    new_sma,
    sma_step,
    williams_r,
)
from core.kernel import inlined_kernel, kernel
from strategy.base import BarRow, Column, Indicator, ParameterSpec, StrategyKind


class WilliamsRParameters(NamedTuple):
    """Lengths in bars, levels of %R in [-100, 0], distance of the stop in average true ranges."""

    range_window: int
    trend_window: int
    atr_window: int
    entry_level: float
    exit_level: float
    stop_atr_multiple: float


class WilliamsRState(NamedTuple):
    """The indicators, the weight last asked for, and the stop.

    ``distance`` is that of the first stop from the entry's price, while the entry waits for the next open; else NaN.
    """

    channel: ChannelState
    trend: SmaState
    atr: AtrState
    weight: float
    stop: float
    distance: float


class Memory(NamedTuple):
    """The last three of them: what the rule remembers."""

    weight: float
    stop: float
    distance: float


class _Indicators(NamedTuple):
    """Their values after a bar."""

    percent_r: float
    trend: float
    distance: float


def new_state(parameters: WilliamsRParameters) -> WilliamsRState:
    """Empty state for one symbol."""
    return WilliamsRState(
        channel=new_channel(parameters.range_window),
        trend=new_sma(parameters.trend_window),
        atr=new_atr(),
        weight=math.nan,
        stop=math.nan,
        distance=math.nan,
    )


@kernel
def step(parameters: WilliamsRParameters, state: WilliamsRState, bar: BarRow) -> tuple[WilliamsRState, float]:
    """Weight +1 or 0 by the rule above; NaN until all three indicators are known.

    Parameters
    ----------
    parameters
        Windows, levels and distance.
    state
        From `new_state`; its rings are written in place.
    bar
        The bar that has just closed. One that is not whole leaves everything as it was.
    """
    if not bar_is_whole(bar.open, bar.high, bar.low, bar.close):
        return state, state.weight
    channel, upper, lower = channel_step(state.channel, bar.high, bar.low)
    trend, average = sma_step(state.trend, bar.close, FIXED_POINT)
    atr, true_range = atr_step(state.atr, bar.high, bar.low, bar.close, parameters.atr_window)
    memory = Memory(state.weight, state.stop, state.distance)
    memory, weight = rule(parameters, memory, bar, (upper, lower, average, true_range))
    return WilliamsRState(channel, trend, atr, weight, memory.stop, memory.distance), weight


@inlined_kernel
def rule(
    parameters: WilliamsRParameters, memory: Memory, bar: BarRow, values: tuple[float, float, float, float]
) -> tuple[Memory, float]:
    """Weight after a whole bar, from both ends of the channel, the moving average and the ATR."""
    upper, lower, average, true_range = values
    now = _Indicators(williams_r(upper, lower, bar.close), average, parameters.stop_atr_multiple * true_range)
    weight, stop, distance = math.nan, math.nan, math.nan
    if math.isfinite(now.percent_r + now.trend + now.distance):
        if memory.weight > 0.0:
            weight, stop = _hold(parameters, memory, bar, now)
        else:
            weight, distance = _enter(parameters, bar.close, now)
    return Memory(weight, stop, distance), weight


def new_memory() -> Memory:
    """No weight asked for yet."""
    return Memory(math.nan, math.nan, math.nan)


def _columns(parameters: WilliamsRParameters) -> tuple[Column, ...]:
    return (
        Column(Indicator.HIGHEST_HIGH, parameters.range_window),
        Column(Indicator.LOWEST_LOW, parameters.range_window),
        Column(Indicator.SMA_OF_CLOSE, parameters.trend_window),
        Column(Indicator.ATR, parameters.atr_window),
    )


@inlined_kernel
def _enter(parameters: WilliamsRParameters, close: float, values: _Indicators) -> tuple[float, float]:
    """Weight from flat, and the distance of the stop that goes with it."""
    if values.percent_r < parameters.entry_level and close > values.trend:
        return 1.0, values.distance
    return 0.0, math.nan


@inlined_kernel
def _hold(
    parameters: WilliamsRParameters, memory: Memory, bar: BarRow, values: _Indicators
) -> tuple[float, float]:
    """Weight in a position, and its stop."""
    stop = memory.stop if math.isnan(memory.distance) else bar.open - memory.distance
    touched = bar.low <= stop
    faded = values.percent_r > parameters.exit_level and bar.close < values.trend
    if touched or faded:
        return 0.0, math.nan
    return 1.0, max(stop, bar.close - values.distance)


def _warmup_bars(parameters: WilliamsRParameters) -> int:
    return max(parameters.range_window, parameters.trend_window, parameters.atr_window)


def _conflict(parameters: WilliamsRParameters) -> str | None:
    if parameters.entry_level < parameters.exit_level:
        return None
    return f"entry_level: {parameters.entry_level} must be less than exit_level ({parameters.exit_level})"


WILLIAMS_R = StrategyKind(
    name="williams_r",
    summary="Williams %R: buy a deep pullback in an upward trend, with a wide ATR trailing stop",
    specs=(
        ParameterSpec(
            name="range_window", default=10, low=2, high=200, search=(10, 14, 20), meaning="bars of %R"
        ),
        ParameterSpec(
            name="trend_window",
            default=200,
            low=2,
            high=MAX_WINDOW,
            search=(100, 200),
            meaning="bars of the moving average that tells the trend",
        ),
        ParameterSpec(
            name="atr_window", default=14, low=2, high=200, search=(14,), meaning="bars of the ATR"
        ),
        ParameterSpec(
            name="entry_level",
            default=-80.0,
            low=-99.0,
            high=-50.0,
            search=(-90.0, -80.0),
            meaning="%R below which to buy",
        ),
        ParameterSpec(
            name="exit_level",
            default=-20.0,
            low=-50.0,
            high=-1.0,
            search=(-20.0,),
            meaning="%R above which to leave when the trend has turned",
        ),
        ParameterSpec(
            name="stop_atr_multiple",
            default=10.0,
            low=0.5,
            high=50.0,
            search=(5.0, 10.0),
            meaning="distance of the trailing stop in ATR",
        ),
    ),
    parameters_type=WilliamsRParameters,
    new_state=new_state,
    step=step,
    columns=_columns,
    rule=rule,
    new_memory=new_memory,
    whole_bars=True,
    warmup_bars=_warmup_bars,
    conflict=_conflict,
)
