"""What happens to the account between two sessions: interest, borrow fees, splits, dividends, delistings. Kernels.

It comes before anything fills in the new session; see `backtester.carry` and `backtester.corporate_actions`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from backtester.book import Book, FillColumn, Kind, Money, Records
from backtester.carry import Carry, FlowColumn, FlowKind, accrued
from backtester.corporate_actions import DIVIDEND, SPLIT, Events
from backtester.money import divide_half_even, micros
from core.kernel import borrowing_kernel
from core.reasons import Reason

FloatMatrix = npt.NDArray[np.float64]
_CENT = 10_000


@borrowing_kernel
def carry_over(
    carry: Carry, book: Book, money: Money, records: Records, closes: FloatMatrix, bar: int, days: int
) -> Money:
    """Book interest and borrow fees of ``days`` calendar days before ``bar``, on the balances of the bar before it."""
    short = 0
    for symbol in range(book.position.shape[1]):
        held = 0
        for strategy in range(book.position.shape[0]):
            held += int(book.position[strategy, symbol])
        if held < 0:
            short -= held * micros(closes[bar - 1, symbol])
    interest, margin, borrow = accrued(carry, money.cash, short, days)
    _flow(records, bar, (-1, -1), FlowKind.CASH_INTEREST, interest)
    _flow(records, bar, (-1, -1), FlowKind.MARGIN_INTEREST, margin)
    _flow(records, bar, (-1, -1), FlowKind.BORROW_FEE, borrow)
    return _paid(money, interest + margin + borrow)


@borrowing_kernel
def act(
    events: Events,
    next_event: int,
    book: Book,
    money: Money,
    records: Records,
    closes: FloatMatrix,
    bar: int,
) -> tuple[Money, int]:
    """Apply the events of ``bar``; return the money and the number of the first event after it.

    Parameters
    ----------
    events, next_event
        In order; the first that has not been applied yet.
    book, money, records
        The account; book and records are written.
    closes
        Shape (bars, symbols), raw.
    bar
        First bar of the events' session.
    """
    while next_event < len(events.bar) and events.bar[next_event] <= bar:
        symbol, kind = events.symbol[next_event], events.kind[next_event]
        for strategy in range(book.position.shape[0]):
            cell = (strategy, symbol)
            position = int(book.position[cell])
            if kind == SPLIT:
                paid = _split(
                    book,
                    cell,
                    events.numerator[next_event],
                    events.denominator[next_event],
                    micros(closes[bar - 1, symbol]) if position != 0 else 0,
                )
                _flow(records, bar, cell, FlowKind.CASH_IN_LIEU, paid)
            elif kind == DIVIDEND:
                paid = position * events.amount[next_event]
                _flow(records, bar, cell, FlowKind.DIVIDEND, paid)
            else:
                paid = position * events.amount[next_event]
                _pay_out(book, records, bar, cell, events.amount[next_event])
            money = _paid(money, paid)
        next_event += 1
    return money, next_event


@borrowing_kernel
def _split(book: Book, cell: tuple[int, int], numerator: int, denominator: int, close: int) -> int:
    """Turn a position into whole new shares, end its orders, scale its stop; return the cash for the rest."""
    position = int(book.position[cell])
    book.kind[cell] = Kind.NOTHING
    book.left[cell] = 0
    if position == 0:
        return 0
    sign = 1 if position > 0 else -1
    whole = abs(position) * numerator // denominator
    rest = abs(position) * numerator - whole * denominator
    book.position[cell] = sign * whole
    stop = book.stop[cell]
    book.stop[cell] = 0
    if whole != 0 and stop != 0:
        # On the grid of cents, never triggering later than the old one.
        scaled = stop * denominator
        unit = numerator * _CENT
        book.stop[cell] = (-(-scaled // unit) if sign > 0 else scaled // unit) * _CENT
    if book.trail[cell] != 0:
        book.trail[cell] = max(book.trail[cell] * denominator // (numerator * _CENT) * _CENT, _CENT)
    return sign * divide_half_even(rest * close, numerator)


@borrowing_kernel
def _pay_out(book: Book, records: Records, bar: int, cell: tuple[int, int], price: int) -> None:
    """Close a position at the price of a delisting, as an exit without commission."""
    position = int(book.position[cell])
    book.kind[cell] = Kind.NOTHING
    book.left[cell] = 0
    book.stop[cell] = 0
    if position == 0:
        return
    book.position[cell] = 0.0
    row = records.fills[records.counts[0]]
    row[FillColumn.BAR] = bar
    row[FillColumn.STRATEGY] = cell[0]
    row[FillColumn.SYMBOL] = cell[1]
    row[FillColumn.QUANTITY] = -position
    row[FillColumn.PRICE] = price
    row[FillColumn.COMMISSION] = 0
    row[FillColumn.KIND] = Kind.EXIT
    row[FillColumn.REASON] = Reason.DELISTED
    row[FillColumn.DECIDED] = bar - 1
    records.counts[0] += 1


@borrowing_kernel
def _flow(records: Records, bar: int, cell: tuple[int, int], kind: int, amount: int) -> None:
    if amount == 0:
        return
    row = records.flows[records.counts[2]]
    row[FlowColumn.BAR] = bar
    row[FlowColumn.STRATEGY] = cell[0]
    row[FlowColumn.SYMBOL] = cell[1]
    row[FlowColumn.KIND] = kind
    row[FlowColumn.AMOUNT] = amount
    records.counts[2] += 1


@borrowing_kernel
def _paid(money: Money, amount: int) -> Money:
    return Money(
        money.cash + amount, money.settled + amount, money.month, money.month_fills, money.month_shares
    )


@borrowing_kernel
def flows_of(bar: int, events: Events, next_event: int, strategies: int) -> int:
    """Rows that a bar can add to the records at most: one an event and strategy, and three of carry."""
    rows = 3
    while next_event < len(events.bar) and events.bar[next_event] <= bar:
        rows += strategies
        next_event += 1
    return rows
