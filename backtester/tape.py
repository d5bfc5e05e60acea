"""What an account is run over: bars, signals, and everything about them that doesn't depend on the account."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from backtester.corporate_actions import Events
from backtester.money import micros
from core.kernel import borrowing_kernel, inlined_kernel
from portfolio.quiet import is_sizeable
from portfolio.shared_sizing_logic import sign

FloatArray = npt.NDArray[np.float64]
FloatVector = npt.NDArray[np.float64]
IntMatrix = npt.NDArray[np.int64]
IntVector = npt.NDArray[np.int64]
Flags = npt.NDArray[np.uint8]

NEVER = 2**62
"""A price that no bar reaches."""

SESSION_BEGINS, SIZEABLE_CHANGES = 1, 2
"""Bits of `Watch.turns`."""

STRETCH = 128
"""Bars of which news are looked for together."""


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
    low of `NEVER` and a high that reaches no stop; the close is the last one that is known, 0 before the first. ``turns`` of
    shape (bars,) holds bits of what changes with a bar, ``begun`` the number of sessions that have begun up to it.
    """

    low: IntMatrix
    high: IntMatrix
    close: IntMatrix
    turns: Flags
    begun: IntVector


class Tape(NamedTuple):
    """Everything that doesn't depend on the account.

    ``bars`` is of shape (bars, symbols, 5), ``signals`` (symbols, strategies, bars). ``news`` lists, in order, the bars at which
    the side of any signal is another one than on the bar before, or whether a symbol can be sized; then comes `NEVER`.
    ``is_steady`` says that no weight changes on other bars.
    """

    bars: FloatArray
    signals: FloatArray
    news: IntVector
    is_steady: bool
    market: MarketScan
    watch: Watch
    clock: Clock
    events: Events


def make_watch(bars: FloatArray, market: MarketScan, clock: Clock) -> Watch:
    """Columns for `Watch`; ``bars`` are those that orders fill in."""
    shape = bars.shape[:2]
    low, high, close = (np.empty(shape, dtype=np.int64) for _ in range(3))
    turns, begun = np.zeros(len(bars), dtype=np.uint8), np.zeros(len(bars), dtype=np.int64)
    watch = Watch(low, high, close, turns, begun)
    _mark_sessions(clock.session, watch)
    _fill_watch(bars, market, watch)
    return watch


@borrowing_kernel
def _mark_sessions(session: IntVector, watch: Watch) -> None:
    sessions, before = 0, -1
    for bar in range(session.size):
        watch.turns[bar] = SESSION_BEGINS if session[bar] != before else 0
        before = session[bar]
        sessions += watch.turns[bar]
        watch.begun[bar] = sessions


@borrowing_kernel
def _fill_watch(bars: FloatArray, market: MarketScan, watch: Watch) -> None:
    low, high, close, turns, _begun = watch
    for symbol in range(bars.shape[1]):
        before = False
        for bar in range(bars.shape[0]):
            low[bar, symbol], high[bar, symbol] = NEVER, -1
            if has_price(bars, bar, symbol):
                low[bar, symbol] = micros(bars[bar, symbol, 2])
                high[bar, symbol] = micros(bars[bar, symbol, 1])
            last = market.close[bar, symbol]
            close[bar, symbol] = micros(last) if last > 0.0 else 0
            sizeable = is_sizeable(last, market.atr[bar, symbol])
            if sizeable != before:
                turns[bar] |= SIZEABLE_CHANGES
            before = sizeable


@inlined_kernel
def has_price(bars: FloatArray, bar: int, symbol: int) -> bool:
    """Whether a symbol can be traded in a bar: all its prices are known and positive."""
    known = True
    for column in range(4):
        known &= 0.0 < bars[bar, symbol, column] < np.inf
    return known


def news_of(signals: FloatArray, watch: Watch) -> tuple[IntVector, bool]:
    """News of one account's signals, and whether they are steady, as `Tape` has them."""
    news = np.empty(len(watch.turns) + 1, dtype=np.int64)
    is_steady = list_news(signals, watch.turns, np.empty(len(watch.turns), dtype=np.uint8), news)
    return news, bool(is_steady)


@borrowing_kernel
def list_news(signals: FloatArray, turns: Flags, marks: Flags, news: IntVector) -> bool:
    """List the bars at which a quiet account has to decide anew.

    Parameters
    ----------
    signals
        Shape (symbols, strategies, bars): weights; NaN where unknown.
    turns
        Of `Watch`.
    marks
        Shape (bars,): overwritten.
    news
        Written: see `Tape`; shape (bars + 1,).

    Returns
    -------
    is_steady
        See `Tape`.
    """
    is_steady, count = True, 0
    for first in range(0, turns.size, STRETCH):
        stop = min(first + STRETCH, turns.size)
        marked = 0
        for bar in range(first, stop):
            marks[bar] = turns[bar] & SIZEABLE_CHANGES
            marked |= marks[bar]
        for symbol in range(signals.shape[0]):
            for strategy in range(signals.shape[1]):
                if _changes(signals[symbol, strategy], first, stop):
                    is_steady &= _mark_changes(signals[symbol, strategy], first, stop, marks)
                    marked = 1
        if marked != 0:
            for bar in range(first, stop):
                news[count] = bar
                count += marks[bar] != 0
    news[count] = NEVER
    return is_steady


@inlined_kernel
def _changes(weights: FloatVector, first: int, stop: int) -> bool:
    """Whether any weight of a stretch differs from the one before it: without a branch, so that several are compared at once."""
    before = weights[first - 1] if first > 0 else 0.0
    stretch = weights[first:stop]
    changes = int(stretch[0] != before)
    for place in range(1, stretch.size):
        changes += int(stretch[place] != stretch[place - 1])  # a NaN differs from everything
    return changes != 0


@inlined_kernel
def _mark_changes(weights: FloatVector, first: int, stop: int, marks: Flags) -> bool:
    """Mark the bars of a stretch at which a weight's side is another one; return whether no weight changes on others."""
    is_steady = True
    before = weights[first - 1] if first > 0 else 0.0
    for bar in range(first, stop):
        weight = weights[bar]
        if weight == before or (math.isnan(weight) and math.isnan(before)):
            continue
        if sign(weight) != sign(before) or math.isnan(weight) != math.isnan(before):
            marks[bar] = 1
        else:
            is_steady = False
        before = weight
    return is_steady


@inlined_kernel
def read_signals(history: FloatArray, bar: int, signals: FloatArray) -> None:
    """Copy the signals of a bar: each symbol's lies in another place of memory."""
    for symbol in range(signals.shape[1]):
        for strategy in range(signals.shape[0]):
            signals[strategy, symbol] = history[symbol, strategy, bar]
