"""What the next bar does to the orders: fills at the open, stops inside the bar, the closing auction. Kernels.

Inside a bar only its open, high, low and close are known, so each rule takes what could surely have been had:

1. At the open: what a stop has left, exits, then entries, each decided on an earlier close; strategies in their order.
   A limit entry fills here when the open is at its limit or better, never beyond its limit.
2. Inside the bar: a limit entry fills at its limit when the bar trades *through* it; a touch is not enough, since others
   stand before us. A protective stop is hit when the bar's range reaches it. It fills at its price, or at the open when
   the bar opens beyond it (a gap). The stop of an entry that filled in this bar works in it too: it lies behind the
   limit, so a bar that reaches it has passed the limit before. Stops that trail stand in `backtester.trailing`.
3. At the close of a session: market-on-close and limit-on-close orders, when the run uses them.

All fills move the price against us (`backtester.costs`). The orders of one symbol share what the bar's volume
allows; the rest stays at work. A stop that is hit ends whatever else works for that position, and takes all of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from backtester.book import (
    Book,
    FillColumn,
    IntMatrix,
    IntVector,
    Kind,
    Money,
    Records,
    start_order,
)
from backtester.costs import Costs, commission, fees, fill_price, fillable
from backtester.money import micros
from backtester.trailing import entered_inside, follow_price, turned
from core.kernel import borrowing_kernel, inlined_kernel
from core.reasons import Reason


class Place(NamedTuple):
    """Where and when an order can fill: bar, symbol and its volume, session in which a sale settles, closing auction."""

    bar: int
    symbol: int
    volume: float
    settles: int
    auction: bool


class Account(NamedTuple):
    """What a fill changes besides `Money`: the book, the decision's directions, cash due by session, records."""

    book: Book
    directions: IntMatrix
    due: IntVector
    records: Records


@inlined_kernel
def trade_symbol(
    costs: Costs,
    account: Account,
    money: Money,
    place: Place,
    prices: npt.NDArray[np.float64],
    at_close: bool,
    is_last: bool,
) -> Money:
    """Fill what one bar of one symbol fills.

    Parameters
    ----------
    costs, account, money
        The cost model; what is written; what is returned changed.
    place
        Bar, symbol, volume and settlement.
    prices
        Open, high, low, close (and volume) of the bar.
    at_close
        Whether entries and exits wait for the closing auction.
    is_last
        Whether the bar is its session's last.
    """
    book = account.book
    room = fillable(costs, place.volume)
    begin = micros(prices[0])
    money, room = _fill_all(costs, account, money, place, Kind.STOP, begin, room)
    if not at_close:
        money, room = _fill_all(costs, account, money, place, Kind.EXIT, begin, room)
        money, room = _fill_all(costs, account, money, place, Kind.ENTRY, begin, room)
    follow_price(book, place.symbol, begin)
    if not at_close:
        for strategy in range(book.limit.shape[0]):
            cell = (strategy, place.symbol)
            if book.kind[cell] == Kind.ENTRY and passes_limit(
                book.limit[cell], book.left[cell], prices[1], prices[2]
            ):
                was_flat = book.stop[cell] == 0
                money, room = _fill_order(costs, account, money, place, strategy, book.limit[cell], room)
                if was_flat and book.stop[cell] != 0:
                    entered_inside(book, cell, book.limit[cell])
    money, room = _hit_stops(costs, account, money, place, prices, room)
    if at_close and is_last:
        auction = Place(place.bar, place.symbol, place.volume, place.settles, True)
        end = micros(prices[3])
        money, room = _fill_all(costs, account, money, auction, Kind.EXIT, end, room)
        money, room = _fill_all(costs, account, money, auction, Kind.ENTRY, end, room)
    return money


@inlined_kernel
def _hit_stops(
    costs: Costs,
    account: Account,
    money: Money,
    place: Place,
    prices: npt.NDArray[np.float64],
    room: int,
) -> tuple[Money, int]:
    """Fill the stops that the bar reaches, then those that trail and have surely turned in it."""
    book = account.book
    for strategy in range(book.stop.shape[0]):
        cell = (strategy, place.symbol)
        if book.stop[cell] != 0 and book.kind[cell] != Kind.STOP:
            base = stop_base(book.position[cell], book.stop[cell], prices[0], prices[1], prices[2])
            if base != 0:
                start_order(book, cell, Kind.STOP, -int(book.position[cell]), Reason.NONE, place.bar, 0, 0)
                money, room = _fill_order(costs, account, money, place, strategy, base, room)
    for strategy in range(book.stop.shape[0]):
        cell = (strategy, place.symbol)
        if book.trail[cell] > 0 and book.stop[cell] != 0 and book.kind[cell] != Kind.STOP:
            high, low, close = micros(prices[1]), micros(prices[2]), micros(prices[3])
            if turned(book.position[cell], book.trail[cell], high, low, close):
                worst = low if book.position[cell] > 0.0 else high
                start_order(book, cell, Kind.STOP, -int(book.position[cell]), Reason.NONE, place.bar, 0, 0)
                money, room = _fill_order(costs, account, money, place, strategy, worst, room)
    return money, room


@inlined_kernel
def _fill_all(
    costs: Costs, account: Account, money: Money, place: Place, kind: Kind, base: int, room: int
) -> tuple[Money, int]:
    """Fill the orders of one kind, strategy by strategy, at one undisturbed price."""
    for strategy in range(account.book.kind.shape[0]):
        cell = (strategy, place.symbol)
        if account.book.kind[cell] == kind and limit_allows(
            account.book.limit[cell], account.book.left[cell], base
        ):
            money, room = _fill_order(costs, account, money, place, strategy, base, room)
    return money, room


@inlined_kernel
def limit_allows(limit: int, left: int, base: int) -> bool:
    """Whether an order of this limit (0 for none) may fill at a price; ``left`` is signed."""
    return limit == 0 or (base <= limit if left > 0 else base >= limit)


@inlined_kernel
def passes_limit(limit: int, left: int, high: float, low: float) -> bool:
    """Whether a bar trades through the limit of an order; False without a limit."""
    if limit == 0 or left == 0:
        return False
    return micros(low) < limit if left > 0 else micros(high) > limit


@inlined_kernel
def stop_base(position: float, stop: int, begin: float, high: float, low: float) -> int:
    """Undisturbed price at which a protective stop fills in a bar, micro-dollars; 0 when the bar doesn't reach it.

    Parameters
    ----------
    position
        Signed; not 0.
    stop
        Its stop, micro-dollars.
    begin, high, low
        Of the bar; ``begin`` is its open.
    """
    if position > 0.0:
        return min(micros(begin), stop) if micros(low) <= stop else 0
    return max(micros(begin), stop) if micros(high) >= stop else 0


@borrowing_kernel
def _fill_order(
    costs: Costs,
    account: Account,
    money: Money,
    place: Place,
    strategy: int,
    base: int,
    room: int,
) -> tuple[Money, int]:
    """Fill as much of a working order as ``room`` shares allow; return the money and the room that is left."""
    book, cell = account.book, (strategy, place.symbol)
    shares = min(abs(book.left[cell]), room)
    if shares == 0:
        return money, room
    quantity = shares if book.left[cell] > 0 else -shares
    price = fill_price(costs, base, quantity, place.volume, place.auction)
    if book.limit[cell] != 0:
        price = min(price, book.limit[cell]) if quantity > 0 else max(price, book.limit[cell])
    cost, month_shares = _charge(costs, book, cell, quantity, price, money.month_shares)
    _record(account.records, book, place, cell, quantity, price, cost)
    value = shares * price
    settled = money.settled - cost
    if quantity > 0:
        settled -= value
    else:
        account.due[place.settles] += value
    money = Money(
        money.cash - quantity * price - cost, settled, money.month, money.month_fills + 1, month_shares
    )
    was_flat = book.stop[cell] == 0
    _move(account, cell, quantity)
    if place.auction and was_flat and book.stop[cell] != 0:
        entered_inside(book, cell, base)
    return money, room - shares


@inlined_kernel
def _charge(
    costs: Costs, book: Book, cell: tuple[int, int], quantity: int, price: int, month_shares: int
) -> tuple[int, int]:
    """Commission and fees of a fill, and the shares of the month after it."""
    shares = abs(quantity)
    if book.filled[cell] == 0:
        book.month_shares[cell] = month_shares
    book.filled[cell] += shares
    book.turnover[cell] += shares * price
    total = commission(costs.schedule, book.filled[cell], book.turnover[cell], book.month_shares[cell])
    grown = total - book.charged[cell]
    book.charged[cell] = total
    return grown + fees(costs.schedule, shares, price, quantity < 0, grown), month_shares + shares


@inlined_kernel
def _record(
    records: Records, book: Book, place: Place, cell: tuple[int, int], quantity: int, price: int, cost: int
) -> None:
    row = records.fills[records.counts[0]]
    row[FillColumn.BAR] = place.bar
    row[FillColumn.STRATEGY] = cell[0]
    row[FillColumn.SYMBOL] = cell[1]
    row[FillColumn.QUANTITY] = quantity
    row[FillColumn.PRICE] = price
    row[FillColumn.COMMISSION] = cost
    row[FillColumn.KIND] = book.kind[cell]
    row[FillColumn.REASON] = book.reason[cell]
    row[FillColumn.DECIDED] = book.decided[cell]
    records.counts[0] += 1


@inlined_kernel
def _move(account: Account, cell: tuple[int, int], quantity: int) -> None:
    """Book a fill's shares, and what follows from them for stop and order."""
    book = account.book
    book.left[cell] -= quantity
    book.position[cell] += quantity
    if book.kind[cell] == Kind.ENTRY:
        if book.stop[cell] == 0:  # the rest of an entry leaves a stop where it has moved to
            book.stop[cell] = book.next_stop[cell]
        account.directions[cell] = 1 if quantity > 0 else -1
    if book.position[cell] == 0.0:
        book.stop[cell] = 0
    if book.left[cell] == 0:
        book.kind[cell] = Kind.NOTHING
