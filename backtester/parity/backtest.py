"""A backtest in the words of a recorded account."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from decimal import Decimal
from itertools import groupby

from backtester.parity.history import AccountDenial, AccountFill, Balance, PlacedOrder
from backtester.parity.recorded import Booked, Decided, Event, Paid, Session
from backtester.result import BacktestFill, BacktestResult
from core.events import Execution, Order
from core.reasons import Reason
from core.vocabulary import OrderType, Purpose

_MICRO = 1_000_000


def events_of(result: BacktestResult) -> list[Event]:
    """Tell a backtest as events, so that it can be replayed like a journal."""
    events: list[Event] = [Paid(amount=result.opening_cash)]
    by_bar = {
        end_ns: list(fills) for end_ns, fills in groupby(result.fills(), key=lambda fill: fill.bar_end_ns)
    }
    number, session = 0, -1
    for bar, end_ns in enumerate(result.end_ns.tolist()):
        for fill in by_bar.get(end_ns, ()):
            number += 1
            events += _events_of_fill(fill, f"bt.{number:08d}.01")
        if result.session_of[bar] != session:
            session = int(result.session_of[bar])
            events.append(Session(date=result.sessions[session]))
        events.append(Decided(balance=_balance(result, bar)))
    return events


def _events_of_fill(fill: BacktestFill, exec_id: str) -> tuple[Event, Event]:
    order = Order(
        order_ref=exec_id,
        strategy=fill.strategy,
        symbol=fill.symbol,
        side=fill.side,
        quantity=Decimal(fill.quantity),
        order_type=OrderType.STOP if fill.purpose is Purpose.STOP else OrderType.MARKET,
        purpose=fill.purpose,
        reason=_reason_of(fill),
        created_ns=fill.decided_ns,
    )
    execution = Execution(
        exec_id=exec_id,
        order_ref=exec_id,
        order_id=0,
        perm_id=0,
        client_id=0,
        account="",
        symbol=fill.symbol,
        side=fill.side,
        quantity=Decimal(fill.quantity),
        price=fill.price,
        time_ns=fill.bar_end_ns,
    )
    booked = Booked(execution=execution, strategy=fill.strategy, order=order)
    return booked, Paid(amount=-fill.commission, exec_id=exec_id)


def _reason_of(fill: BacktestFill) -> str:
    if fill.purpose is Purpose.STOP:
        return ""
    if fill.reason == Reason.NONE.code:
        return "exit" if fill.purpose is Purpose.EXIT else "entry"
    return fill.reason


def fills_of(result: BacktestResult) -> tuple[AccountFill, ...]:
    """Name the fills of a backtest as an account's."""
    return tuple(
        AccountFill(
            bar_end_ns=fill.bar_end_ns,
            strategy=fill.strategy,
            symbol=fill.symbol,
            side=fill.side,
            quantity=fill.quantity,
            price=fill.price,
            commission=fill.commission,
            purpose=fill.purpose,
            reason=_reason_of(fill),
        )
        for fill in result.fills()
    )


def unnamed_orders(result: BacktestResult, orders: Sequence[PlacedOrder]) -> tuple[PlacedOrder, ...]:
    """Orders that a backtest filled, by the bar that it decided them on, which are not among ``orders``.

    There are none as long as the replay of its fills decides as the backtest did.
    """
    named = {(one.bar_end_ns, one.strategy, one.symbol, one.purpose) for one in orders}
    found: dict[Hashable, PlacedOrder] = {}
    for fill in result.fills():
        key = (fill.decided_ns, fill.strategy, fill.symbol, fill.purpose)
        if fill.purpose is not Purpose.STOP and key not in named:
            before = found[key].quantity if key in found else 0
            found[key] = PlacedOrder(
                bar_end_ns=fill.decided_ns,
                strategy=fill.strategy,
                symbol=fill.symbol,
                side=fill.side,
                quantity=before + fill.quantity,
                order_type=OrderType.MARKET,
                purpose=fill.purpose,
                reason=_reason_of(fill),
            )
    return tuple(found.values())


def denials_of(result: BacktestResult) -> tuple[AccountDenial, ...]:
    """Name the denials of a backtest as an account's."""
    return tuple(
        AccountDenial(
            bar_end_ns=denial.bar_end_ns,
            strategy=denial.strategy,
            symbol=denial.symbol,
            reason=denial.reason.code,
            quantity=denial.quantity,
        )
        for denial in result.denials()
    )


def balances_of(result: BacktestResult) -> tuple[Balance, ...]:
    """Read the account at each bar's close."""
    return tuple(_balance(result, bar) for bar in range(len(result.end_ns)))


def _balance(result: BacktestResult, bar: int) -> Balance:
    nlv, cash = (Decimal(int(column[bar])) / _MICRO for column in (result.nlv_micros, result.cash_micros))
    return Balance(bar_end_ns=int(result.end_ns[bar]), nlv=nlv, cash=cash)
