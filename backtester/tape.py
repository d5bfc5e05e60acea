"""What an account is run over: bars, signals, and everything about them that doesn't depend on the account."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from backtester.corporate_actions import Events
from backtester.money import micros
from core.kernel import borrowing_kernel, inlined_kernel
from portfolio.quiet import is_sizeable
from portfolio.shared_sizing_logic import sign

FloatArray = npt.NDArray[np.float64]
IntMatrix = npt.NDArray[np.int64]
IntVector = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint8]

NEVER = 2**62
"""A price that no bar reaches."""

SESSION_BEGINS, SIZEABLE_CHANGES = 1, 2
"""Bits of `Watch.turns`."""


class Clock(NamedTuple):
    """What a bar's time means, shape (bars,): session number, whether it is the session's last bar, month number.

    ``settles`` of shape (sessions,) is the session in which a sale of each session settles, ``days`` of the same shape the
    calendar days since the session before.
    """

    session: IntVector
    is_last: npt.NDArray[np.bool_]
    month: IntVector
    settles: IntVector
    days: IntVector


class MarketScan(NamedTuple):
    """`portfolio.market_rows.MarketRows` of every bar, each of shape (bars, symbols)."""

    close: FloatArray
    atr: FloatArray
    average_volume: FloatArray


class Watch(NamedTuple):
    """The few columns that a bar without events is told by.

    ``low``, ``high`` and ``close`` are micro-dollars, shape (bars, symbols). A bar in which a symbol can't be traded has a
    low and a high that reach no stop; the close is the last one that is known, 0 before the first. ``turns`` of shape
    (bars,) holds bits of what changes with a bar.
    """

    low: IntMatrix
    high: IntMatrix
    close: IntMatrix
    turns: Flags


class Tape(NamedTuple):
    """Everything that doesn't depend on the account.

    ``bars`` is of shape (bars, symbols, 5), ``signals`` (symbols, strategies, bars); ``news`` of shape (bars,) is 1 where
    the side of any signal is another one than on the bar before.
    """

    bars: FloatArray
    signals: FloatArray
    news: Flags
    market: MarketScan
    watch: Watch
    clock: Clock
    events: Events


def make_watch(bars: FloatArray, market: MarketScan, clock: Clock) -> Watch:
    """Columns for `Watch`; ``bars`` are those that orders fill in."""
    shape = bars.shape[:2]
    low, high, close = (np.empty(shape, dtype=np.int64) for _ in range(3))
    watch = Watch(low, high, close, np.zeros(len(bars), dtype=np.uint8))
    _fill_watch(bars, market, clock.session, watch)
    return watch


@borrowing_kernel
def _fill_watch(bars: FloatArray, market: MarketScan, session: IntVector, watch: Watch) -> None:
    low, high, close, turns = watch
    for bar in range(bars.shape[0]):
        turns[bar] = SESSION_BEGINS if bar == 0 or session[bar] != session[bar - 1] else 0
        for symbol in range(bars.shape[1]):
            low[bar, symbol], high[bar, symbol] = NEVER, -1
            if has_price(bars, bar, symbol):
                low[bar, symbol] = micros(bars[bar, symbol, 2])
                high[bar, symbol] = micros(bars[bar, symbol, 1])
            last, atr = market.close[bar, symbol], market.atr[bar, symbol]
            close[bar, symbol] = micros(last) if last > 0.0 else 0
            before = bar > 0 and is_sizeable(market.close[bar - 1, symbol], market.atr[bar - 1, symbol])
            if is_sizeable(last, atr) != before:
                turns[bar] |= SIZEABLE_CHANGES


@inlined_kernel
def has_price(bars: FloatArray, bar: int, symbol: int) -> bool:
    """Whether a symbol can be traded in a bar: all its prices are known and positive."""
    known = True
    for column in range(4):
        known &= 0.0 < bars[bar, symbol, column] < np.inf
    return known


@borrowing_kernel
def mark_news(signals: FloatArray, news: Flags) -> None:
    """Mark the bars on which a signal's side is another one than on the bar before.

    Parameters
    ----------
    signals
        Shape (symbols, strategies, bars): weights; NaN where unknown.
    news
        Shape (bars,): 1 is written where any side has changed, anything else is left as it is.
    """
    for symbol in range(signals.shape[0]):
        for strategy in range(signals.shape[1]):
            before, known = 0, True
            for bar in range(signals.shape[2]):
                weight = signals[symbol, strategy, bar]
                side, is_known = sign(weight), weight == weight  # noqa: PLR0124 (False for NaN)
                if side != before or is_known != known:
                    news[bar] = 1
                before, known = side, is_known
