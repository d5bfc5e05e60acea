"""Passing over bars on which nothing can happen: no fill, no event, and a decision that goes on standing. Kernels.

On such a bar only the account's value changes. `portfolio.quiet` says why the decision needn't be asked; the tests hold
that an account is the same, to the last digit, whether these bars are passed over or not.

There are three ways, from the one that asks least to the one that always works:

still
    Nothing is held: one value stands for the whole span.
span
    One symbol is traded, and its stop stands still: what no bar of a span could break, by the lowest and the highest of its prices, needn't be
    asked bar by bar. The value rises or falls with the close, so what holds at both ends holds between them.
bar by bar
    Every condition is asked of every bar.
"""

from __future__ import annotations

from typing import NamedTuple

from backtester.book import IntVector
from backtester.money import LARGEST_NLV, dollars
from backtester.tape import NEVER, SESSION_BEGINS, Watch
from backtester.valuation import (
    Curve,
    Day,
    Holdings,
    exposure_of,
    follow_quiet_bar,
    marked,
    session_ended,
    stop_reached,
    valued,
)
from core.kernel import borrowing_kernel, inlined_kernel
from portfolio.decision_types import DecisionParameters
from portfolio.quiet import QuietLimits, holdings_fit, quiet_limits, surely_unthrottled
from portfolio.risk_manager import (
    VolatilitySums,
    book_session,
    book_still_sessions,
    drawdown_of,
    throttle_scale,
)

SPAN = 64
"""Bars that are judged at once at most."""


class Pause(NamedTuple):
    """What has to be known to pass over bars, besides what is held.

    ``throttle`` is that of the decision which stands, ``next_event`` the bar of the next corporate action, ``settling`` the
    last session in which cash is due; ``accrues`` says whether a new session brings interest or a borrow fee, ``trails``
    whether any stop may trail.
    """

    throttle: float
    cash: int
    next_event: int
    settling: int
    accrues: bool
    trails: bool


class Ground(NamedTuple):
    """What the ways of passing bars share: the tape's columns, the decision's parameters, and what they write."""

    watch: Watch
    session: IntVector
    decision: DecisionParameters
    holdings: Holdings
    returns: IntVector
    closes: IntVector
    curve: Curve


@borrowing_kernel
def pass_quiet_bars(
    span: tuple[int, int], ground: Ground, pause: Pause, day: Day, sums: VolatilitySums
) -> tuple[int, Day, VolatilitySums]:
    """Go on to the first bar that is not quiet.

    Parameters
    ----------
    span
        The next bar, and the end: there is no news before it.
    ground
        The ring of session returns, the values at the ends of sessions and the curve (unless it is empty) are written.
    pause
        What stands still.
    day, sums
        The account so far.

    Returns
    -------
    bar, day, sums
        The first bar that isn't quiet, or the end; the account before it.
    """
    bar, end = span
    watch, holdings = ground.watch, ground.holdings
    limits = quiet_limits(ground.decision)
    is_flat = _is_flat(holdings)
    is_single = holdings.net.size == 1 and not pause.trails
    while bar < end:
        # Neither an event nor a settlement falls into a span.
        stop = bar
        if (is_flat or is_single) and ground.session[bar - 1] > pause.settling:
            stop = min(end, pause.next_event)
            stop = stop if is_flat else min(stop, bar + SPAN)
            if pause.accrues and stop > bar and watch.begun[stop - 1] != watch.begun[bar - 1]:
                stop = bar
        if stop > bar and is_flat and _fits(limits, ground.decision, pause, day, (day.nlv, day.nlv), 0):
            day, sums = _stand_still(ground, pause, (bar, stop), day, sums)
            bar = stop
            continue
        if stop > bar and not is_flat:
            passes, lowest, highest = _judge_span(ground, limits, pause, (bar, stop), day)
            if passes:
                day, sums = _pass_span(ground, pause, (bar, stop), (lowest, highest), day, sums)
                bar = stop
                continue
        stop = min(end, bar + SPAN)
        bar, day, sums = _pass_singly((bar, stop), ground, limits, pause, day, sums)
        if bar < stop:
            break
    return bar, day, sums


@inlined_kernel
def _is_flat(holdings: Holdings) -> bool:
    """Whether nothing is held, not even by two strategies against each other."""
    held = 0
    for symbol in range(holdings.shares.size):
        held += holdings.shares[symbol]
    return held == 0


@inlined_kernel
def _fits(
    limits: QuietLimits,
    decision: DecisionParameters,
    pause: Pause,
    day: Day,
    ends: tuple[int, int],
    held: int,
) -> bool:
    """Whether the throttle stays what it is, and what is held stays under the caps, at all values between two.

    Parameters
    ----------
    limits, decision, pause, day
        What they are measured by.
    ends
        Lowest and highest net liquidation value.
    held
        Largest value of what is held, by absolute size.
    """
    lowest, highest = ends
    if highest > LARGEST_NLV:
        return False
    if highest > day.peak:
        # The peak moves: only where it is far from any throttle is that no matter.
        far = float(highest) - float(lowest) < limits.first_level * float(day.peak) * (1.0 - 1e-9)
        if not far or pause.throttle != 1.0:
            return False
    elif surely_unthrottled(limits, float(lowest), float(day.peak)):
        if pause.throttle != 1.0:
            return False
    else:
        peak, levels, scales = dollars(day.peak), decision.drawdown_levels, decision.drawdown_scales
        if throttle_scale(levels, scales, drawdown_of(dollars(lowest), peak)) != pause.throttle:
            return False
        if throttle_scale(levels, scales, drawdown_of(dollars(highest), peak)) != pause.throttle:
            return False
    return holdings_fit(limits, pause.throttle, float(lowest), float(held), float(held))


@inlined_kernel
def _stand_still(
    ground: Ground, pause: Pause, span: tuple[int, int], day: Day, sums: VolatilitySums
) -> tuple[Day, VolatilitySums]:
    """Pass a span in which nothing is held: the value is the cash."""
    bar, stop = span
    decision, curve, begun = ground.decision, ground.curve, ground.watch.begun
    sessions = begun[stop - 1] - begun[bar - 1]
    if sessions > 0:
        target, leverage = decision.target_volatility_annual, decision.max_leverage
        sums = book_session(ground.returns, sums, dollars(day.nlv), target, leverage)
        sums = book_still_sessions(ground.returns, sums, sessions - 1, target, leverage)
        ground.closes[day.sessions : day.sessions + sessions] = day.nlv
    if curve.nlv.size != 0:
        curve.nlv[bar:stop], curve.cash[bar:stop], curve.gross[bar:stop] = day.nlv, pause.cash, 0
    return Day(day.nlv, day.peak, 0, day.trough, day.drawdown, day.exposure, day.sessions + sessions), sums


@borrowing_kernel
def _judge_span(
    ground: Ground, limits: QuietLimits, pause: Pause, span: tuple[int, int], day: Day
) -> tuple[bool, int, int]:
    """Whether no bar of a span in the only symbol can be other than quiet; lowest and highest net liquidation value."""
    watch, holdings = ground.watch, ground.holdings
    low, high, close = watch.low, watch.high, watch.close
    bottom, top, least, most = NEVER, -1, NEVER, -1
    for bar in range(span[0], span[1]):
        bottom, top = min(bottom, low[bar, 0]), max(top, high[bar, 0])
        least, most = min(least, close[bar, 0]), max(most, close[bar, 0])
    if bottom <= holdings.floor[0] or top >= holdings.ceiling[0]:
        return False, 0, 0
    one, other = pause.cash + holdings.net[0] * least, pause.cash + holdings.net[0] * most
    lowest, highest = min(one, other), max(one, other)
    # One micro-dollar more a share, because a close is rounded to one.
    held = holdings.shares[0] * (most + 1)
    fits = _fits(limits, ground.decision, pause, day, (lowest, highest), held)
    return fits, lowest, highest


@borrowing_kernel
def _pass_span(
    ground: Ground,
    pause: Pause,
    span: tuple[int, int],
    ends: tuple[int, int],
    day: Day,
    sums: VolatilitySums,
) -> tuple[Day, VolatilitySums]:
    """Pass a span that `_judge_span` has found quiet; ``ends`` are its lowest and highest net liquidation value."""
    first, stop = span
    watch, decision, curve = ground.watch, ground.decision, ground.curve
    close, cash, net = watch.close, pause.cash, int(ground.holdings.net[0])
    if watch.begun[stop - 1] != watch.begun[first - 1]:
        target, leverage = decision.target_volatility_annual, decision.max_leverage
        sessions, before = day.sessions, day.nlv
        for bar in range(first, stop):
            if watch.turns[bar] & SESSION_BEGINS != 0:
                sums = book_session(ground.returns, sums, dollars(before), target, leverage)
                ground.closes[sessions] = before
                sessions += 1
            before = cash + net * close[bar, 0]
        day = Day(day.nlv, day.peak, day.gross, day.trough, day.drawdown, day.exposure, sessions)
    if ends[1] > day.peak:
        for bar in range(first, stop):
            day = marked(day, cash + net * close[bar, 0])
    else:
        day = marked(day, ends[0])
    exposure = 0
    for bar in range(first, stop):
        value = net * close[bar, 0]
        exposure += exposure_of(cash + value, abs(value))
    if curve.nlv.size != 0:
        for bar in range(first, stop):
            value = net * close[bar, 0]
            curve.nlv[bar], curve.cash[bar], curve.gross[bar] = cash + value, cash, abs(value)
    value = net * close[stop - 1, 0]
    exposure += day.exposure
    return Day(cash + value, day.peak, abs(value), day.trough, day.drawdown, exposure, day.sessions), sums


@borrowing_kernel
def _pass_singly(  # noqa: C901 (what ends a pass)
    span: tuple[int, int],
    ground: Ground,
    limits: QuietLimits,
    pause: Pause,
    day: Day,
    sums: VolatilitySums,
) -> tuple[int, Day, VolatilitySums]:
    """Pass quiet bars one by one; return the first that isn't."""
    watch, holdings, decision, curve = ground.watch, ground.holdings, ground.decision, ground.curve
    close, turns, session = watch.close, watch.turns, ground.session
    levels, scales = decision.drawdown_levels, decision.drawdown_scales
    bar, end = span
    while bar < end:
        begins = turns[bar] & SESSION_BEGINS != 0
        if stop_reached(watch, holdings, bar, pause.trails):
            break
        if begins and (pause.accrues or pause.next_event <= bar or session[bar - 1] <= pause.settling):
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
                ground.returns,
                sums,
                dollars(day.nlv),
                decision.target_volatility_annual,
                decision.max_leverage,
            )
            day = session_ended(day, ground.closes)
        day = valued(day, nlv, gross)
        if curve.nlv.size != 0:
            curve.nlv[bar], curve.cash[bar], curve.gross[bar] = nlv, pause.cash, gross
        if pause.trails:
            follow_quiet_bar(watch, holdings, bar)
        bar += 1
    return bar, day, sums
