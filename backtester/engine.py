"""The account's loop: bar by bar over all symbols at once, with shared cash, as the live engine goes from row to row.

At each bar, in this order (live: `portfolio.live_manager.trader`):

0. A session that begins books interest, borrow fees and corporate actions (`backtester.overnight`).
1. Orders that were decided on earlier closes fill (`backtester.fills`); what a session leaves of DAY orders ends.
2. A session that begins books the last one's closing value for the volatility target, and releases settled cash.
3. The account is valued at the closes, the peak included.
4. `portfolio.decision.decide_into` decides on the signals and market rows of this close.
5. The decisions become orders for the bars that follow (`backtester.orders`).

So nothing that is decided on a close can fill before the next bar.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from backtester.book import (
    Book,
    FloatMatrix,
    IntMatrix,
    IntVector,
    Money,
    Records,
    gross_and_net,
    new_book,
    new_records,
    with_room,
)
from backtester.carry import Carry
from backtester.corporate_actions import Events
from backtester.costs import Costs
from backtester.fills import Account, Place, can_fill, trade_symbol
from backtester.money import LARGEST_NLV, dollars
from backtester.orders import Decided, OrderRules, expire_orders, is_news, place_orders
from backtester.overnight import act, carry_over, flows_of
from backtester.scan import MarketScan
from core.kernel import kernel
from portfolio.decision import decide_into
from portfolio.decision_types import (
    AccountRow,
    DecisionInputs,
    DecisionParameters,
    DecisionState,
    new_decision_state,
)
from portfolio.market_rows import MarketRows
from portfolio.risk_manager import close_session

FloatArray = npt.NDArray[np.float64]
_FIRST_RECORDS = 1024


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


class Tape(NamedTuple):
    """Everything that doesn't depend on the account: bars (bars, symbols, 5), scans over them, clock, corporate actions."""

    bars: FloatArray
    signals: FloatArray
    market: MarketScan
    clock: Clock
    events: Events


class Rules(NamedTuple):
    """How the account trades."""

    decision: DecisionParameters
    orders: OrderRules
    costs: Costs
    carry: Carry
    at_close: bool
    day_orders: bool
    first: int
    """First bar that is traded on; those before it are warm-up."""


class Curve(NamedTuple):
    """The account after each bar, micro-dollars, shape (bars,): net liquidation value, cash, gross position value."""

    nlv: IntVector
    cash: IntVector
    gross: IntVector


class Outcome(NamedTuple):
    """What a simulation leaves: records, curve, the book at its end, and the bars that were simulated."""

    records: Records
    curve: Curve
    book: Book
    bars_done: int


class Desk(NamedTuple):
    """What the loop writes besides the account: cash due by session, curve, and the decision's output."""

    due: IntVector
    curve: Curve
    targets: FloatMatrix
    reasons: IntMatrix


class _Day(NamedTuple):
    """Value of the account in micro-dollars: last and highest NLV, gross position value."""

    nlv: int
    peak: int
    gross: int


def simulate(tape: Tape, rules: Rules, cash: int, volatility_window_sessions: int) -> Outcome:
    """Run an account over a tape.

    Parameters
    ----------
    tape, rules
        What is traded, and how.
    cash
        Opening cash in micro-dollars.
    volatility_window_sessions
        Window of the volatility target.

    Returns
    -------
    Outcome
        ``bars_done`` is less than the tape's bars when the account grew beyond `LARGEST_NLV`.
    """
    bars, strategies, symbols = tape.signals.shape
    state = new_decision_state(strategies, symbols, volatility_window_sessions)
    book, records = new_book(strategies, symbols), new_records(_FIRST_RECORDS)
    curve = Curve(*(np.full(bars, cash, dtype=np.int64) for _ in Curve._fields))
    curve.gross[:] = 0
    desk = Desk(
        due=np.zeros(len(tape.clock.settles) + 2, dtype=np.int64),
        curve=curve,
        targets=np.zeros((strategies, symbols)),
        reasons=np.zeros((strategies, symbols), dtype=np.int64),
    )
    records, done = _run(tape, rules, Money(cash, cash, -1, 0, 0), state, book, records, desk)
    return Outcome(records, curve, book, done)


@kernel
def _run(  # noqa: C901 (one branch for each thing that a bar may bring)
    tape: Tape, rules: Rules, money: Money, state: DecisionState, book: Book, records: Records, desk: Desk
) -> tuple[Records, int]:
    """Go from bar to bar; return the records and the number of bars that were done."""
    position, kind, stop, said = book.position, book.kind, book.stop, book.said
    bars, closes, session, is_last = tape.bars, tape.market.close, tape.clock.session, tape.clock.is_last
    curve, targets, reasons = desk.curve, desk.targets, desk.reasons
    day = _Day(money.cash, money.cash, 0)
    next_event = int(np.searchsorted(tape.events.bar, rules.first, side="right"))
    for bar in range(rules.first, bars.shape[0]):
        if tape.clock.month[bar] != money.month:
            money = Money(money.cash, money.settled, tape.clock.month[bar], 0, 0)
        if bar > rules.first and session[bar] != session[bar - 1]:
            records = with_room(records, flows_of(bar, tape.events, next_event, kind.shape[0]))
            money, next_event = _overnight(tape, rules, book, money, records, bar, next_event)
        for symbol in range(kind.shape[1]):
            if can_fill(kind, stop, position, bars, bar, symbol):
                records = with_room(records, 3 * kind.size)
                account = Account(book, state.directions, desk.due, records)
                money = _trade(tape, rules, account, money, bar, symbol)
        if rules.day_orders and is_last[bar]:
            records = with_room(records, kind.size)
            expire_orders(book, records, bar)
        if bar == rules.first or session[bar] != session[bar - 1]:
            money = _settle(money, tape.clock, desk.due, bar)
            if bar > rules.first:
                state = _begin_session(rules.decision, state, day.nlv)
        day = _value(position, closes, bar, money, day)
        if abs(day.nlv) > LARGEST_NLV:
            return records, bar
        curve.nlv[bar], curve.cash[bar], curve.gross[bar] = day.nlv, money.cash, day.gross
        row = AccountRow(dollars(day.nlv), dollars(day.peak), dollars(money.settled), money.month_fills)
        inputs = DecisionInputs(tape.signals[bar], position, _rows(tape.market, bar), row)
        decide_into(rules.decision, state, inputs, targets, reasons)
        if is_news(position, targets, reasons, said):
            records = with_room(records, 2 * kind.size)
            decided = Decided(bar, not is_last[bar], targets, reasons, inputs.rows, bars)
            place_orders(rules.orders, book, records, decided)
    return records, bars.shape[0]


@kernel
def _overnight(
    tape: Tape, rules: Rules, book: Book, money: Money, records: Records, bar: int, next_event: int
) -> tuple[Money, int]:
    """Book what happens between the session before ``bar`` and its own."""
    closes, clock = tape.market.close, tape.clock
    days = 0
    for session in range(clock.session[bar - 1] + 1, clock.session[bar] + 1):
        days += clock.days[session]
    money = carry_over(rules.carry, book, money, records, closes, bar, days)
    return act(tape.events, next_event, book, money, records, closes, bar)


@kernel
def _begin_session(decision: DecisionParameters, state: DecisionState, nlv: int) -> DecisionState:
    """Book the closing value of the session that has ended, for the volatility target."""
    volatility = close_session(
        state.volatility, dollars(nlv), decision.target_volatility_annual, decision.max_leverage
    )
    return DecisionState(state.directions, volatility)


@kernel
def _settle(money: Money, clock: Clock, due: IntVector, bar: int) -> Money:
    """Release what has settled by the session that begins with ``bar``."""
    settled = money.settled
    before = clock.session[bar - 1] if bar > 0 else 0
    for session in range(before, clock.session[bar] + 1):
        settled += due[session]
        due[session] = 0
    return Money(money.cash, settled, money.month, money.month_fills, money.month_shares)


@kernel
def _trade(tape: Tape, rules: Rules, account: Account, money: Money, bar: int, symbol: int) -> Money:
    """Fill what the bar fills in one symbol."""
    clock, prices = tape.clock, tape.bars[bar, symbol]
    place = Place(bar, symbol, prices[4], clock.settles[clock.session[bar]], False)
    return trade_symbol(rules.costs, account, money, place, prices, rules.at_close, clock.is_last[bar])


@kernel
def _value(position: FloatMatrix, closes: FloatArray, bar: int, money: Money, day: _Day) -> _Day:
    """Value the account at the closes."""
    gross, net = gross_and_net(position, closes, bar)
    nlv = money.cash + net
    return _Day(nlv, max(day.peak, nlv), gross)


@kernel
def _rows(market: MarketScan, bar: int) -> MarketRows:
    return MarketRows(market.close[bar], market.atr[bar], market.average_volume[bar])
