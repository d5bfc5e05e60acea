"""Incremental indicators as kernels: one call a bar, state in, (state, value) out.

Rules that hold for each of them:

- The value is NaN until the window is full.
- A bar that is not finite is passed over: state and value stay as they were. (One NaN would otherwise stay
  in a recursive average for ever; TA-Lib's RSI reads 0.0 after it, which looks oversold.)
- A simple moving average, a channel, a lag and a volatility depend on the bars in their window only, bit for bit,
  whatever came before. Wilder's recursions and the exponential average forget their beginning by a constant
  factor a bar: (1 - 1/window) and (1 - 2/(window + 1)).

A strategy that feeds several indicators passes over a bar that any of them would pass over (`bar_is_whole`), so that
their windows hold the same bars.
"""

from core.indicators.averages import (
    FIXED_POINT,
    INTEGER_SCALE,
    LARGEST,
    MAX_WINDOW,
    EmaState,
    SmaState,
    ema_step,
    new_ema,
    new_sma,
    sma_column,
    sma_step,
)
from core.indicators.bars import bar_is_whole
from core.indicators.changes import (
    CHANGE_STEPS,
    LARGEST_CHANGE,
    LagState,
    VolatilityState,
    lag_step,
    new_lag,
    new_volatility,
    volatility_step,
)
from core.indicators.channel import (
    ChannelState,
    LargestState,
    channel_column,
    channel_step,
    new_channel,
    williams_r,
)
from core.indicators.wilder import AtrState, RsiState, atr_column, atr_step, new_atr, new_rsi, rsi_step

__all__ = [
    "CHANGE_STEPS",
    "FIXED_POINT",
    "INTEGER_SCALE",
    "LARGEST",
    "LARGEST_CHANGE",
    "MAX_WINDOW",
    "AtrState",
    "ChannelState",
    "EmaState",
    "LagState",
    "LargestState",
    "RsiState",
    "SmaState",
    "VolatilityState",
    "atr_column",
    "atr_step",
    "bar_is_whole",
    "channel_column",
    "channel_step",
    "ema_step",
    "lag_step",
    "new_atr",
    "new_channel",
    "new_ema",
    "new_lag",
    "new_rsi",
    "new_sma",
    "new_volatility",
    "rsi_step",
    "sma_column",
    "sma_step",
    "volatility_step",
    "williams_r",
]
