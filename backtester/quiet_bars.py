"""Passing over bars on which nothing can happen: no fill, no event, and a decision that goes on standing. Kernels.

On such a bar only the account's value changes. `portfolio.quiet` says why the decision needn't be asked; the tests hold
that an account is the same, to the last digit, whether these bars are passed over or not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backtester.book import Book, IntVector, Kind
from backtester.carry import Carry
from backtester.money import LARGEST_NLV, dollars
from backtester.tape import NEVER, SESSION_BEGINS, SIZEABLE_CHANGES, Flags, Watch
from backtester.trailing import followed
from core.kernel import borrowing_kernel, inlined_kernel, kernel
from portfolio.decision_types import DecisionParameters
from portfolio.quiet import holdings_fit, quiet_limits, surely_unthrottled
from portfolio.risk_manager import VolatilitySums, book_session, drawdown_of, throttle_scale

NO_TRAIL = 2**61
"""A distance that no range of a bar has, nor that of `NEVER` to a price."""


class Holdings(NamedTuple):
    """What is held, by symbol, shape (symbols,).

    ``net`` and ``shares`` add up the strategies' positions, signed and by absolute size; ``floor`` is the highest stop
    of a long position and ``ceiling`` the lowest of a short one, micro-dollars. ``below`` is the shortest distance of a
    long position's trailing stop and ``above`` that of a short one's, `NO_TRAIL` for none; ``top`` and ``bottom`` are the
    highest and lowest prices of the quiet bars that their stops have not been moved after yet.
    """

    net: IntVector
    shares: IntVector
    floor: IntVector
    ceiling: IntVector
    below: IntVector
    above: IntVector
    top: IntVector
    bottom: IntVector


class Curve(NamedTuple):
    """The account after each bar, micro-dollars, shape (bars,): net liquidation value, cash, gross position value."""

    nlv: IntVector
    cash: IntVector
    gross: IntVector


class Day(NamedTuple):
    """The account's value so far.

    ``nlv``, ``peak``, ``gross`` (position value) and ``trough`` (lowest value since the peak) in micro-dollars; ``drawdown``
    is the largest fraction lost before the present peak, ``exposure`` the sum of gross over net liquidation value over
    the bars, ``sessions`` the number of sessions that have ended.
    """

    nlv: int
    peak: int
    gross: int
    trough: int
    drawdown: float
    exposure: float
    sessions: int


class Pause(NamedTuple):
    """What has to be known to pass over bars, besides what is held.

    ``throttle`` is that of the decision which stands, ``next_event`` the bar of the next corporate action, ``settling`` the
    last session in which cash is due.
    """

    throttle: float
    cash: int
    next_event: int
    settling: int


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
    )


@inlined_kernel
def observe(book: Book, holdings: Holdings, trails: bool) -> bool:
    """Bring ``holdings`` up to date with the book; return whether any order works. ``trails``: whether any stop may trail."""
    works = False
    if trails:
        _observe_trails(book, holdings)
    for symbol in range(book.kind.shape[1]):
        net, shares, floor, ceiling = 0, 0, -1, NEVER
        for strategy in range(book.kind.shape[0]):
            cell = (strategy, symbol)
            works = works or book.kind[cell] != Kind.NOTHING
            position, stop = int(book.position[cell]), book.stop[cell]
            net += position
            shares += abs(position)
            if stop != 0 and position > 0:
                floor = max(floor, stop)
            elif stop != 0:
                ceiling = min(ceiling, stop)
        holdings.net[symbol], holdings.shares[symbol] = net, shares
        holdings.floor[symbol], holdings.ceiling[symbol] = floor, ceiling
    return works


@inlined_kernel
def _observe_trails(book: Book, holdings: Holdings) -> None:
    """Bring up to date what only trailing stops need."""
    for symbol in range(book.kind.shape[1]):
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
def _trail_reached(watch: Watch, holdings: Holdings, bar: int) -> bool:
    """Whether a bar's range is so wide that it may hit a stop which follows its own best price."""
    reached = False
    for symbol in range(holdings.net.size):
        low, high = watch.low[bar, symbol], watch.high[bar, symbol]
        reached |= low <= high - holdings.below[symbol] or high >= low + holdings.above[symbol]
    return reached


@inlined_kernel
def _follow_quiet_bar(watch: Watch, holdings: Holdings, bar: int) -> None:
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
        reached |= watch.low[bar, symbol] <= holdings.floor[symbol]
        reached |= watch.high[bar, symbol] >= holdings.ceiling[symbol]
    if trails:
        reached |= _trail_reached(watch, holdings, bar)
    return reached


@inlined_kernel
def valued(day: Day, nlv: int, gross: int) -> Day:
    """Account after one more bar."""
    peak, trough, drawdown = day.peak, min(day.trough, nlv), day.drawdown
    if nlv > peak:
        drawdown = drawdown_so_far(day)
        peak, trough = nlv, nlv
    exposure = day.exposure
    if gross != 0:
        exposure += gross / max(nlv, 1)
    return Day(nlv, peak, gross, trough, drawdown, exposure, day.sessions)


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


@borrowing_kernel
def pass_quiet_bars(  # noqa: C901 (what ends a pass)
    span: tuple[int, int],
    tape: tuple[Watch, Flags, IntVector],
    rules: tuple[DecisionParameters, Carry, bool],
    holdings: Holdings,
    pause: Pause,
    day: Day,
    volatility: tuple[IntVector, VolatilitySums],
    closes: IntVector,
    curve: Curve,
) -> tuple[int, Day, VolatilitySums]:
    """Go on to the first bar that is not quiet.

    Parameters
    ----------
    span
        The next bar, and the end.
    tape
        Columns, news and session numbers of `backtester.tape.Tape`.
    rules
        Parameters of the decision, and of interest; whether any stop may trail.
    holdings, pause
        What is held and stands still.
    day, volatility
        The account so far; the ring of session returns is written in place.
    closes, curve
        Written: values at the ends of sessions, and after each bar (unless the curve is empty).

    Returns
    -------
    bar, day, sums
        The first bar that isn't quiet, or the end; the account before it.
    """
    watch, news, session = tape
    close, turns = watch.close, watch.turns
    decision, carry, trails = rules
    limits, has_carry = quiet_limits(decision), accrues(carry, holdings, pause.cash)
    levels, scales = decision.drawdown_levels, decision.drawdown_scales
    returns, sums = volatility
    bar, end = span
    while bar < end:
        turn = turns[bar]
        begins = turn & SESSION_BEGINS != 0
        if news[bar] != 0 or turn & SIZEABLE_CHANGES != 0 or stop_reached(watch, holdings, bar, trails):
            break
        if begins and (has_carry or pause.next_event <= bar or session[bar - 1] <= pause.settling):
            break
        gross, net, largest, total = 0, 0, 0, 0
        for symbol in range(holdings.net.size):
            value = holdings.net[symbol] * close[bar, symbol]
            # One micro-dollar more a share, because a close is rounded to one.
            held = holdings.shares[symbol] * (close[bar, symbol] + 1)
            gross += abs(value)
            net += value
            largest = max(largest, held)
            total += held
        nlv = pause.cash + net
        peak = max(day.peak, nlv)
        throttle = 1.0
        if not surely_unthrottled(limits, float(nlv), float(peak)):
            throttle = throttle_scale(levels, scales, drawdown_of(dollars(nlv), dollars(peak)))
        if nlv > LARGEST_NLV or throttle != pause.throttle:
            break
        if not holdings_fit(limits, throttle, float(nlv), float(largest), float(total)):
            break
        if begins:
            sums = book_session(
                returns, sums, dollars(day.nlv), decision.target_volatility_annual, decision.max_leverage
            )
            day = session_ended(day, closes)
        day = valued(day, nlv, gross)
        if curve.nlv.size != 0:
            curve.nlv[bar], curve.cash[bar], curve.gross[bar] = nlv, pause.cash, gross
        if trails:
            _follow_quiet_bar(watch, holdings, bar)
        bar += 1
    return bar, day, sums


@inlined_kernel
def accrues(carry: Carry, holdings: Holdings, cash: int) -> bool:
    """Whether a new session brings interest or a borrow fee."""
    short = False
    for symbol in range(holdings.net.size):
        short |= holdings.net[symbol] < 0
    return (cash > 0 and carry.cash > 0) or (cash < 0 and carry.margin > 0) or (short and carry.borrow > 0)
