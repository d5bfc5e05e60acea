"""The account's loop: bar by bar over all symbols at once, with shared cash, as the live engine goes from row to row.

At each bar, in this order (live: `portfolio.live_manager.trader`):

0. A session that begins books interest, borrow fees and corporate actions (`backtester.overnight`).
1. Orders that were decided on earlier closes fill (`backtester.fills`); what a session leaves of DAY orders ends.
2. A session that begins books the last one's closing value for the volatility target, and releases settled cash.
3. The account is valued at the closes, the peak included.
4. `portfolio.decision.decide_into` decides on the signals and market rows of this close.
5. The decisions become orders for the bars that follow (`backtester.orders`).

Bars on which nothing of this can lead to anything are passed over (`backtester.quiet_bars`).

So nothing that is decided on a close can fill before the next bar.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from backtester.book import (
    Book,
    FloatMatrix,
    IntMatrix,
    IntVector,
    Money,
    Records,
    new_book,
    new_records,
    with_room,
)
from backtester.carry import Carry
from backtester.costs import Costs
from backtester.fills import Account, Place, trade_symbol
from backtester.money import LARGEST_NLV, dollars
from backtester.orders import Decided, OrderRules, expire_orders, news_of_decision, place_orders
from backtester.overnight import act, carry_over, flows_of
from backtester.quiet_bars import Ground, Pause, pass_quiet_bars
from backtester.tape import NEVER, SESSION_BEGINS, Clock, Tape, read_signals
from backtester.trailing import follow_bar
from backtester.valuation import (
    Curve,
    Day,
    Holdings,
    accrues,
    any_works,
    can_fill,
    catch_up,
    new_holdings,
    observe,
    observe_orders,
    observe_symbol,
    session_ended,
    stop_reached,
    valued,
    values,
    with_drawdown,
)
from core.kernel import borrowing_kernel, inlined_kernel, kernel
from portfolio.decision import decide_into
from portfolio.decision_types import AccountRow, DecisionInputs, DecisionParameters, DecisionState
from portfolio.market_rows import MarketRows
from portfolio.quiet import decision_stands
from portfolio.risk_manager import VolatilityState, VolatilitySums, book_session, new_volatility, no_sessions

FIRST_RECORDS = 1024
"""Rows that records begin with."""


class Rules(NamedTuple):
    """How the account trades; ``trails``: whether any stop may trail, ``passes_quiet_bars`` is False only for tests of it."""

    decision: DecisionParameters
    orders: OrderRules
    costs: Costs
    carry: Carry
    at_close: bool
    day_orders: bool
    trails: bool
    passes_quiet_bars: bool


class Start(NamedTuple):
    """How an account begins: first bar that is traded on, the bar behind the last one, and cash in micro-dollars.

    Bars before the first are warm-up.
    """

    first: int
    end: int
    cash: int


class Desk(NamedTuple):
    """What a run writes, and may be used again by the next: records, values at the ends of sessions, curve.

    ``closes`` has room for every session, the curve for every bar or for none. ``returns`` is the ring of the volatility
    target and ``due`` the cash that is due, by session.
    """

    records: Records
    closes: IntVector
    curve: Curve
    returns: IntVector
    due: IntVector


class Run(NamedTuple):
    """What a run leaves: records, the account's last value, the book, and the bar behind the last one that was done."""

    records: Records
    day: Day
    book: Book
    done: int


class Outcome(NamedTuple):
    """What a simulation leaves: records, curve, the book at its end, the bars that were simulated, and the largest drawdown."""

    records: Records
    curve: Curve
    book: Book
    bars_done: int
    drawdown: float


def simulate(tape: Tape, rules: Rules, start: Start, volatility_window_sessions: int) -> Outcome:
    """Run an account over a tape and keep its curve.

    Parameters
    ----------
    tape, rules, start
        What is traded, and how.
    volatility_window_sessions
        Window of the volatility target.

    Returns
    -------
    Outcome
        ``bars_done`` is less than ``start.end`` when the account grew beyond `LARGEST_NLV`.
    """
    desk = new_desk(len(tape.clock.settles), start.end, volatility_window_sessions)
    desk.curve.nlv[: start.first] = desk.curve.cash[: start.first] = start.cash
    run = run_account(tape, rules, start, desk)
    return Outcome(run.records, desk.curve, run.book, run.done, run.day.drawdown)


def new_desk(sessions: int, curve_bars: int, volatility_window_sessions: int) -> Desk:
    """Room for a run over ``sessions`` sessions; ``curve_bars`` is 0 when no curve is wanted."""
    return Desk(
        records=new_records(FIRST_RECORDS),
        closes=np.zeros(sessions + 1, dtype=np.int64),
        curve=Curve(*(np.zeros(curve_bars, dtype=np.int64) for _ in Curve._fields)),
        returns=new_volatility(volatility_window_sessions).returns,
        due=np.zeros(sessions + 2, dtype=np.int64),
    )


class Progress(NamedTuple):
    """Where a run stands between two bars.

    ``works`` says whether any order works, ``stands`` whether the last decision stands (`portfolio.quiet`), made with
    ``throttle``; ``settling`` is the last session in which cash is due. ``rows`` is 0, or the rows that the records lack
    for the next bar.
    """

    bar: int
    money: Money
    day: Day
    sums: VolatilitySums
    works: bool
    stands: bool
    throttle: float
    settling: int
    next_event: int
    rows: int


class Room(NamedTuple):
    """Arrays of one account that a run works on; matrices are of shape (strategies, symbols)."""

    book: Book
    directions: IntMatrix
    holdings: Holdings
    signals: FloatMatrix
    targets: FloatMatrix
    reasons: IntMatrix


@kernel
def run_account(tape: Tape, rules: Rules, start: Start, desk: Desk) -> Run:
    """Go from bar to bar.

    Parameters
    ----------
    tape, rules, start
        What is traded, and how.
    desk
        Written.

    Returns
    -------
    Run
        ``done`` is less than ``start.end`` when the account grew beyond `LARGEST_NLV`.
    """
    strategies, symbols = tape.signals.shape[1], tape.signals.shape[0]
    shape = (strategies, symbols)
    room = Room(
        book=new_book(strategies, symbols),
        directions=np.zeros(shape, dtype=np.int64),
        holdings=new_holdings(symbols),
        signals=np.zeros(shape),
        targets=np.zeros(shape),
        reasons=np.zeros(shape, dtype=np.int64),
    )
    records = desk.records
    _clear(records, desk.returns, desk.due)
    progress = Progress(
        bar=start.first,
        money=Money(start.cash, start.cash, -1, 0, 0),
        day=Day(start.cash, start.cash, 0, start.cash, 0.0, 0, 0),
        sums=no_sessions(),
        works=False,
        stands=False,
        throttle=1.0,
        settling=-1,
        next_event=int(np.searchsorted(tape.events.bar, start.first, side="right")),
        rows=1,
    )
    while progress.rows > 0:
        records = with_room(records, progress.rows)
        progress = _trade_bars(tape, rules, start, desk, room, records, progress)
    day = session_ended(progress.day, desk.closes)
    return Run(records, with_drawdown(day), room.book, progress.bar)


@inlined_kernel
def _lacks_room(records: Records, rows: int) -> bool:
    """Whether there is no room for ``rows`` more of each."""
    fills, denials, flows, counts = records
    free = min(
        fills.shape[0] - int(counts[0]), denials.shape[0] - int(counts[1]), flows.shape[0] - int(counts[2])
    )
    return bool(free < rows)


@borrowing_kernel
def _clear(records: Records, returns: IntVector, due: IntVector) -> None:
    """Forget what an earlier run has left on the desk."""
    records.counts[:] = 0
    returns[:] = 0
    due[:] = 0


@borrowing_kernel
def _trade_bars(  # noqa: C901, PLR0912, PLR0915 (the order of a bar)
    tape: Tape, rules: Rules, start: Start, desk: Desk, room: Room, records: Records, progress: Progress
) -> Progress:
    """Trade bars until the end, or until the records have no room for another; they can't grow while they are borrowed."""
    book, holdings, directions = room.book, room.holdings, room.directions
    signals, targets, reasons = room.signals, room.targets, room.reasons
    position, kind = book.position, book.kind
    clock, watch, events, curve = tape.clock, tape.watch, tape.events, desk.curve
    bar, money, day, sums, works, stands, throttle, settling, next_event, _rows = progress
    decision = rules.decision
    known = -1  # news up to which the signals have been read
    ground = Ground(watch, clock.session, decision, holdings, desk.returns, desk.closes, curve)
    lacking, news = 0, 0
    while bar < start.end:
        event = events.bar[next_event] if next_event < events.bar.size else NEVER
        while tape.news[news] < bar:
            news += 1
        if stands and tape.news[news] > bar:
            has_carry = accrues(rules.carry, holdings, money.cash)
            pause = Pause(throttle, money.cash, event, settling, has_carry, rules.trails)
            span = (bar, min(start.end, tape.news[news]))
            bar, day, sums = pass_quiet_bars(span, ground, pause, day, sums)
            if rules.trails:
                catch_up(book, holdings)
            if bar == start.end:
                break
        begins = bar > start.first and watch.turns[bar] & SESSION_BEGINS != 0
        lacking = 8 * kind.size + 3
        if begins and event <= bar:
            lacking += flows_of(bar, events, next_event, kind.shape[0])
        if _lacks_room(records, lacking):
            break
        lacking = 0
        if clock.month[bar] != money.month:
            money = Money(money.cash, money.settled, clock.month[bar], 0, 0)
        if begins and (event <= bar or accrues(rules.carry, holdings, money.cash)):
            money, next_event = _overnight(tape, rules.carry, book, money, records, bar, next_event)
            works = observe(book, holdings, rules.trails)
        if works or stop_reached(watch, holdings, bar, rules.trails):
            account = Account(book, directions, desk.due, records)
            for symbol in range(kind.shape[1]):
                if can_fill(watch, holdings, bar, symbol, rules.trails):
                    money = _trade(tape, rules, account, money, bar, symbol)
                    observe_symbol(book, holdings, symbol, rules.trails)
                    if decision.cash_account:  # nobody asks a margin account for settled cash
                        settling = max(settling, clock.settles[clock.session[bar]])
            works = any_works(holdings)
        if rules.trails and follow_bar(book, tape.bars, bar):
            works = observe(book, holdings, True)
        if rules.day_orders and works and clock.is_last[bar]:
            expire_orders(book, records, bar)
            works = observe_orders(kind, holdings)
        if begins:
            if clock.session[bar - 1] <= settling:
                money = _settle(money, clock, desk.due, bar)
            sums = book_session(
                desk.returns, sums, dollars(day.nlv), decision.target_volatility_annual, decision.max_leverage
            )
            day = session_ended(day, desk.closes)
        gross, net = values(holdings, watch.close, bar)
        day = valued(day, money.cash + net, gross)
        if abs(day.nlv) > LARGEST_NLV:
            break
        if curve.nlv.size != 0:
            curve.nlv[bar], curve.cash[bar], curve.gross[bar] = day.nlv, money.cash, gross
        rows = MarketRows(tape.market.close[bar], tape.market.atr[bar], tape.market.average_volume[bar])
        if known != news or not tape.is_steady or tape.news[news] == bar:
            read_signals(tape.signals, bar, signals)
            known = news + int(tape.news[news] == bar)
        row = AccountRow(dollars(day.nlv), dollars(day.peak), dollars(money.settled), money.month_fills)
        inputs = DecisionInputs(signals, position, rows, row)
        volatility = VolatilityState(
            desk.returns,
            sums.place,
            sums.total,
            sums.squares,
            sums.sessions,
            sums.last_nlv,
            sums.last_scale,
        )
        scales = decide_into(decision, DecisionState(directions, volatility), inputs, targets, reasons)
        throttle = scales.throttle
        wanted = news_of_decision(position, targets, reasons, book.said)
        if wanted != 0:
            decided = Decided(bar, not clock.is_last[bar], targets, reasons, rows, tape.bars)
            place_orders(rules.orders, book, records, decided, wanted)
            works = observe_orders(kind, holdings)
        stands = not works and rules.passes_quiet_bars
        if stands:
            stands = decision_stands(throttle, signals, position, targets, reasons)
        bar += 1
    return Progress(bar, money, day, sums, works, stands, throttle, settling, next_event, lacking)


@borrowing_kernel
def _overnight(
    tape: Tape, carry: Carry, book: Book, money: Money, records: Records, bar: int, next_event: int
) -> tuple[Money, int]:
    """Book what happens between the session before ``bar`` and its own."""
    closes, clock = tape.market.close, tape.clock
    days = 0
    for session in range(clock.session[bar - 1] + 1, clock.session[bar] + 1):
        days += clock.days[session]
    money = carry_over(carry, book, money, records, closes, bar, days)
    return act(tape.events, next_event, book, money, records, closes, bar)


@inlined_kernel
def _settle(money: Money, clock: Clock, due: IntVector, bar: int) -> Money:
    """Release what has settled by the session that begins with ``bar``."""
    settled = money.settled
    before = clock.session[bar - 1] if bar > 0 else 0
    for session in range(before, clock.session[bar] + 1):
        settled += due[session]
        due[session] = 0
    return Money(money.cash, settled, money.month, money.month_fills, money.month_shares)


@inlined_kernel
def _trade(tape: Tape, rules: Rules, account: Account, money: Money, bar: int, symbol: int) -> Money:
    """Fill what the bar fills in one symbol."""
    clock, prices = tape.clock, tape.bars[bar, symbol]
    place = Place(bar, symbol, prices[4], clock.settles[clock.session[bar]], False)
    return trade_symbol(rules.costs, account, money, place, prices, rules.at_close, clock.is_last[bar])
