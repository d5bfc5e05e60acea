"""What the account is worth and what it holds, bar by bar, and when a bar could change that. Kernels."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from backtester.book import Book, IntMatrix, IntVector, Kind
from backtester.carry import Carry
from backtester.money import dollars
from backtester.tape import NEVER, Watch
from backtester.trailing import followed
from core.kernel import inlined_kernel, kernel

EXPOSURE_STEPS = 2.0**38
"""Steps a unit in which exposures are summed."""

LARGEST_EXPOSURE = 16.0
"""Exposures beyond this count as this: two million bars of it fit into an int64."""


NO_TRAIL = 2**61
"""A distance that no range of a bar has, nor that of `NEVER` to a price."""


class Holdings(NamedTuple):
    """What is held, by symbol, shape (symbols,).

    ``net`` and ``shares`` add up the strategies' positions, signed and by absolute size; ``floor`` is the highest stop
    of a long position and ``ceiling`` the lowest of a short one, micro-dollars. ``below`` is the shortest distance of a
    long position's trailing stop and ``above`` that of a short one's, `NO_TRAIL` for none; ``top`` and ``bottom`` are the
    highest and lowest prices of the quiet bars that their stops have not been moved after yet. ``works`` counts the orders
    at work.
    """

    net: IntVector
    shares: IntVector
    floor: IntVector
    ceiling: IntVector
    below: IntVector
    above: IntVector
    top: IntVector
    bottom: IntVector
    works: IntVector


class Curve(NamedTuple):
    """The account after each bar, micro-dollars, shape (bars,): net liquidation value, cash, gross position value."""

    nlv: IntVector
    cash: IntVector
    gross: IntVector


class Day(NamedTuple):
    """The account's value so far.

    ``nlv``, ``peak``, ``gross`` (position value) and ``trough`` (lowest value since the peak) in micro-dollars; ``drawdown``
    is the largest fraction lost before the present peak, ``exposure`` the sum of `exposure_of` over the bars, ``sessions``
    the number of sessions that have ended.
    """

    nlv: int
    peak: int
    gross: int
    trough: int
    drawdown: float
    exposure: int
    sessions: int


@kernel
def new_holdings(symbols: int) -> Holdings:
    """Nothing is held."""
    return Holdings(
        np.zeros(symbols, dtype=np.int64),
        np.zeros(symbols, dtype=np.int64),
        np.full(symbols, -1, dtype=np.int64),
        np.full(symbols, NEVER, dtype=np.int64),
        np.full(symbols, NO_TRAIL, dtype=np.int64),
        np.full(symbols, NO_TRAIL, dtype=np.int64),
        np.full(symbols, -1, dtype=np.int64),
        np.full(symbols, NEVER, dtype=np.int64),
        np.zeros(symbols, dtype=np.int64),
    )


@inlined_kernel
def observe(book: Book, holdings: Holdings, trails: bool) -> bool:
    """Bring ``holdings`` up to date with the book; return whether any order works. ``trails``: whether any stop may trail."""
    works = False
    for symbol in range(holdings.net.size):
        observe_symbol(book, holdings, symbol, trails)
        works |= holdings.works[symbol] != 0
    return works


@inlined_kernel
def observe_symbol(book: Book, holdings: Holdings, symbol: int, trails: bool) -> None:
    """Bring one symbol up to date."""
    works, net, shares, floor, ceiling = 0, 0, 0, -1, NEVER
    for strategy in range(book.kind.shape[0]):
        cell = (strategy, symbol)
        works += book.kind[cell] != Kind.NOTHING
        position, stop = int(book.position[cell]), book.stop[cell]
        net += position
        shares += abs(position)
        if stop != 0 and position > 0:
            floor = max(floor, stop)
        elif stop != 0:
            ceiling = min(ceiling, stop)
    holdings.works[symbol], holdings.net[symbol], holdings.shares[symbol] = works, net, shares
    holdings.floor[symbol], holdings.ceiling[symbol] = floor, ceiling
    if trails:
        _observe_trails(book, holdings, symbol)


@inlined_kernel
def _observe_trails(book: Book, holdings: Holdings, symbol: int) -> None:
    """Bring up to date what only trailing stops need."""
    below, above = NO_TRAIL, NO_TRAIL
    for strategy in range(book.kind.shape[0]):
        cell = (strategy, symbol)
        if book.stop[cell] != 0 and book.trail[cell] != 0:
            if book.position[cell] > 0.0:
                below = min(below, abs(book.trail[cell]))
            else:
                above = min(above, abs(book.trail[cell]))
    holdings.below[symbol], holdings.above[symbol] = below, above
    holdings.top[symbol], holdings.bottom[symbol] = -1, NEVER


@inlined_kernel
def observe_orders(kind: IntMatrix, holdings: Holdings) -> bool:
    """Bring what works up to date, when only orders have come or gone; return whether any order works."""
    every = 0
    for symbol in range(holdings.works.size):
        works = 0
        for strategy in range(kind.shape[0]):
            works += kind[strategy, symbol] != Kind.NOTHING
        holdings.works[symbol] = works
        every += works
    return every != 0


@inlined_kernel
def any_works(holdings: Holdings) -> bool:
    """Whether any order works."""
    works = 0
    for symbol in range(holdings.works.size):
        works |= holdings.works[symbol]
    return works != 0


@inlined_kernel
def follow_quiet_bar(watch: Watch, holdings: Holdings, bar: int) -> None:
    """Note a bar's extremes for the stops that trail; the book's own are moved later (`catch_up`)."""
    for symbol in range(holdings.net.size):
        top = holdings.top[symbol] = max(holdings.top[symbol], watch.high[bar, symbol])
        bottom = holdings.bottom[symbol] = min(holdings.bottom[symbol], watch.low[bar, symbol])
        if top != -1:
            holdings.floor[symbol] = max(holdings.floor[symbol], top - holdings.below[symbol])
            holdings.ceiling[symbol] = min(holdings.ceiling[symbol], bottom + holdings.above[symbol])


@inlined_kernel
def catch_up(book: Book, holdings: Holdings) -> None:
    """Move the book's trailing stops after the quiet bars that were passed over; no order works."""
    for symbol in range(book.kind.shape[1]):
        top, bottom = holdings.top[symbol], holdings.bottom[symbol]
        for strategy in range(book.kind.shape[0]):
            cell = (strategy, symbol)
            if top != -1 and book.stop[cell] != 0 and book.trail[cell] != 0:
                best = top if book.position[cell] > 0.0 else bottom
                book.stop[cell] = followed(book.position[cell], book.stop[cell], book.trail[cell], best)
        holdings.top[symbol], holdings.bottom[symbol] = -1, NEVER


@inlined_kernel
def stop_reached(watch: Watch, holdings: Holdings, bar: int, trails: bool) -> bool:
    """Whether a bar reaches any protective stop, or (``trails``) may reach one that moves in it."""
    reached = False
    for symbol in range(holdings.net.size):
        reached |= _is_hit(watch, holdings, bar, symbol, trails)
    return reached


@inlined_kernel
def _is_hit(watch: Watch, holdings: Holdings, bar: int, symbol: int, trails: bool) -> bool:
    """Whether a bar reaches a stop of a symbol, or its range is so wide that it may hit one which follows its best price."""
    low, high = watch.low[bar, symbol], watch.high[bar, symbol]
    hit = (low <= holdings.floor[symbol]) | (high >= holdings.ceiling[symbol])
    if trails:
        hit |= (low <= high - holdings.below[symbol]) | (high >= low + holdings.above[symbol])
    return bool(hit)


@inlined_kernel
def can_fill(watch: Watch, holdings: Holdings, bar: int, symbol: int, trails: bool) -> bool:
    """Whether a bar may hit a protective stop of a symbol, or an order of it works and the bar can be traded in."""
    has_orders = holdings.works[symbol] != 0 and watch.low[bar, symbol] != NEVER
    return has_orders or _is_hit(watch, holdings, bar, symbol, trails)


@inlined_kernel
def values(holdings: Holdings, close: IntMatrix, bar: int) -> tuple[int, int]:
    """Values of the positions in micro-dollars: by absolute size of each symbol's net position, and signed."""
    gross, net = 0, 0
    for symbol in range(holdings.net.size):
        value = holdings.net[symbol] * close[bar, symbol]
        gross += abs(value)
        net += value
    return gross, net


@inlined_kernel
def valued(day: Day, nlv: int, gross: int) -> Day:
    """Account after one more bar."""
    exposure = day.exposure + exposure_of(nlv, gross)
    day = marked(day, nlv)
    return Day(nlv, day.peak, gross, day.trough, day.drawdown, exposure, day.sessions)


@inlined_kernel
def marked(day: Day, nlv: int) -> Day:
    """Account with peak, trough and drawdown after one more value."""
    peak, trough, drawdown = day.peak, min(day.trough, nlv), day.drawdown
    if nlv > peak:
        drawdown = drawdown_so_far(day)
        peak, trough = nlv, nlv
    return Day(nlv, peak, day.gross, trough, drawdown, day.exposure, day.sessions)


@inlined_kernel
def exposure_of(nlv: int, gross: int) -> int:
    """Gross over net liquidation value in `EXPOSURE_STEPS`: whole numbers, so that no order of adding them up matters."""
    return math.floor(min(gross / max(nlv, 1), LARGEST_EXPOSURE) * EXPOSURE_STEPS + 0.5)


@inlined_kernel
def drawdown_so_far(day: Day) -> float:
    """Largest loss from a peak as a fraction, 1 if the value has not always been above 0."""
    if day.trough <= 0:
        return 1.0
    if day.trough == day.peak:
        return day.drawdown
    return max(day.drawdown, 1.0 - dollars(day.trough) / dollars(day.peak))


@inlined_kernel
def with_drawdown(day: Day) -> Day:
    """Account at its end, with the loss from the last peak among the drawdowns."""
    return Day(day.nlv, day.peak, day.gross, day.trough, drawdown_so_far(day), day.exposure, day.sessions)


@inlined_kernel
def session_ended(day: Day, closes: IntVector) -> Day:
    """Keep the value at the end of a session."""
    closes[day.sessions] = day.nlv
    return Day(day.nlv, day.peak, day.gross, day.trough, day.drawdown, day.exposure, day.sessions + 1)


@inlined_kernel
def accrues(carry: Carry, holdings: Holdings, cash: int) -> bool:
    """Whether a new session brings interest or a borrow fee."""
    short = False
    for symbol in range(holdings.net.size):
        short |= holdings.net[symbol] < 0
    return (cash > 0 and carry.cash > 0) or (cash < 0 and carry.margin > 0) or (short and carry.borrow > 0)
