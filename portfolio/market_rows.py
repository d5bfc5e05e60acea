"""What the decision needs to know of each symbol's market, kept up bar by bar. A kernel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.indicators import INTEGER_SCALE, AtrState, SmaState, atr_step, new_atr, new_sma, sma_step
from core.kernel import kernel
from strategy.base import BarRow

VOLUME_WINDOW = 20
"""Bars over which the volume is averaged for the participation cap."""


class MarketRows(NamedTuple):
    """One row a symbol, shape (symbols,): close, ATR and average volume of a bar. NaN where unknown."""

    close: npt.NDArray[np.float64]
    atr: npt.NDArray[np.float64]
    average_volume: npt.NDArray[np.float64]


class MarketState(NamedTuple):
    """What is remembered of one symbol."""

    atr: AtrState
    volume: SmaState


def new_market_state() -> MarketState:
    """State of a symbol without history."""
    return MarketState(atr=new_atr(), volume=new_sma(VOLUME_WINDOW))


def new_market_rows(symbols: int) -> MarketRows:
    """Rows of ``symbols`` symbols of which nothing is known."""
    return MarketRows(
        close=np.full(symbols, np.nan), atr=np.full(symbols, np.nan), average_volume=np.full(symbols, np.nan)
    )


@kernel
def market_step(state: MarketState, rows: MarketRows, row: int, bar: BarRow, atr_window: int) -> MarketState:
    """Take one closed bar of the symbol in ``row`` and write its close, ATR and average volume.

    Parameters
    ----------
    state
        The symbol's state; its ring is written in place.
    rows
        Written at ``row``. A close that isn't finite and positive leaves the last one standing.
    row
        Index of the symbol.
    bar
        The bar that has just closed.
    atr_window
        Bars of the average true range.
    """
    atr, atr_value = atr_step(state.atr, bar.high, bar.low, bar.close, atr_window)
    volume, average_volume = sma_step(state.volume, bar.volume, INTEGER_SCALE)
    if 0.0 < bar.close < np.inf:  # False for NaN
        rows.close[row] = bar.close
    rows.atr[row] = atr_value
    rows.average_volume[row] = average_volume
    return MarketState(atr, volume)
