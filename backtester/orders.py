"""From decisions to orders: what `portfolio.live_manager.order_desk` and `execution` do live, for simulated orders. Kernels.

The rules, and their order, are those of live trading:

- Exits first. One is not sent while an earlier order of the same strategy and symbol works: the rest of an entry is
  cancelled then, an exit is waited for. The denial is ``EXIT_PENDING``, and the next bar asks again.
- No second entry while one works.
- No entry after a session's last bar (unless bars are daily), none in a symbol that has no bar in this row, none
  against an order of another strategy that works or is just being cancelled, none above the largest order, none whose stop would trigger at once.
- A denial is told when it begins, not again on each bar while it stands.

Not simulated, because they depend on the wall clock: order rate and repeat throttle, the age of quotes, the lease.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from backtester.book import Book, FloatMatrix, IntMatrix, Kind, Records, deny, start_order
from backtester.tape import has_price
from core.kernel import borrowing_kernel, inlined_kernel
from core.reasons import Reason
from portfolio.market_rows import MarketRows

TICK = 10_000
"""Micro-dollars of a cent, the grid of stop prices."""

_REFUSALS, _EXITS, _ENTRIES = 1, 2, 4
"""Bits of `news_of_decision`."""


class OrderRules(NamedTuple):
    """Limits of one order, how entries are sent, and whether they may wait for the next session."""

    stop_atr_multiple: float
    max_quantity: int
    max_notional: float
    overnight: bool
    limit_entries: bool
    limit_offset_bps: float
    """Offset of an entry's limit from the close, against us."""
    trailing: npt.NDArray[np.bool_]
    """Shape (strategies,): whether the stops of a strategy trail."""


class Decided(NamedTuple):
    """What the decision said at a bar's close: matrices of shape (strategies, symbols), and the market's rows."""

    bar: int
    session_goes_on: bool
    targets: FloatMatrix
    reasons: IntMatrix
    rows: MarketRows
    bars: npt.NDArray[np.float64]
    """Shape (bars, symbols, 5)."""


@inlined_kernel
def place_orders(rules: OrderRules, book: Book, records: Records, decided: Decided, news: int) -> None:
    """Tell the refusals, then put exits and entries to work; ``news`` says which of them there are (`news_of_decision`)."""
    if news & _REFUSALS != 0:
        _tell_refusals(book, records, decided)
    if news & _EXITS != 0:
        _place_exits(book, records, decided)
    if news & _ENTRIES != 0:
        _place_entries(rules, book, records, decided)
    if news & _EXITS != 0:
        _forget_ended(book.kind, book.left)


@inlined_kernel
def _tell_refusals(book: Book, records: Records, decided: Decided) -> None:
    for strategy in range(book.said.shape[0]):
        for symbol in range(book.said.shape[1]):
            cell = (strategy, symbol)
            if decided.reasons[cell] != book.said[cell]:
                _tell_refusal(book, records, decided, cell)


@inlined_kernel
def _place_exits(book: Book, records: Records, decided: Decided) -> None:
    for strategy in range(book.position.shape[0]):
        for symbol in range(book.position.shape[1]):
            cell = (strategy, symbol)
            if book.position[cell] != 0.0 and decided.targets[cell] != book.position[cell]:
                _exit(book, records, decided, cell)


@inlined_kernel
def _place_entries(rules: OrderRules, book: Book, records: Records, decided: Decided) -> None:
    for strategy in range(book.position.shape[0]):
        for symbol in range(book.position.shape[1]):
            cell = (strategy, symbol)
            is_entry = book.position[cell] == 0.0 and decided.targets[cell] != 0.0
            if is_entry and book.kind[cell] == Kind.NOTHING:
                _entry(rules, book, records, decided, cell)


@inlined_kernel
def _forget_ended(kind: IntMatrix, left: IntMatrix) -> None:
    """Entries whose end was asked for are gone by the next bar."""
    for strategy in range(kind.shape[0]):
        for symbol in range(kind.shape[1]):
            if kind[strategy, symbol] == Kind.NOTHING:
                left[strategy, symbol] = 0


@inlined_kernel
def news_of_decision(position: FloatMatrix, targets: FloatMatrix, reasons: IntMatrix, said: IntMatrix) -> int:
    """Tell what new things a decision wants or refuses, as bits for `place_orders`; 0 if it has nothing to do.

    It takes the arrays one by one: a call that passes the book costs more than all its comparisons.
    """
    news = 0
    for strategy in range(position.shape[0]):
        for symbol in range(position.shape[1]):
            cell = (strategy, symbol)
            if reasons[cell] != said[cell]:
                news |= _REFUSALS
            if targets[cell] != position[cell]:
                news |= _EXITS if position[cell] != 0.0 else _ENTRIES
    return news


@inlined_kernel
def expire_orders(book: Book, records: Records, bar: int) -> None:
    """Cancel what is left of entries and exits at the end of a session (time in force DAY)."""
    for strategy in range(book.kind.shape[0]):
        for symbol in range(book.kind.shape[1]):
            cell = (strategy, symbol)
            if book.kind[cell] == Kind.ENTRY or book.kind[cell] == Kind.EXIT:
                deny(book, records, bar, cell, Reason.ORDER_EXPIRED, abs(book.left[cell]))
                book.kind[cell] = Kind.NOTHING
                book.left[cell] = 0


@inlined_kernel
def _tell_refusal(book: Book, records: Records, decided: Decided, cell: tuple[int, int]) -> None:
    """Take a new reason of the decision; tell it if it has left nothing of an entry."""
    reason = decided.reasons[cell]
    book.said[cell] = reason
    if reason != Reason.NONE and decided.targets[cell] == book.position[cell]:
        deny(book, records, decided.bar, cell, reason, 0)


@inlined_kernel
def _exit(book: Book, records: Records, decided: Decided, cell: tuple[int, int]) -> None:
    change = int(decided.targets[cell]) - int(book.position[cell])
    if book.kind[cell] == Kind.NOTHING:
        start_order(book, cell, Kind.EXIT, change, decided.reasons[cell], decided.bar, 0, 0)
        book.told[cell] = Reason.NONE
        return
    if book.kind[cell] == Kind.ENTRY:
        # Its end is asked for, and not confirmed before the next bar: what is left still counts for `_crosses`.
        book.kind[cell] = Kind.NOTHING
    deny(book, records, decided.bar, cell, Reason.EXIT_PENDING, abs(change))


@inlined_kernel
def _entry(rules: OrderRules, book: Book, records: Records, decided: Decided, cell: tuple[int, int]) -> None:
    quantity = int(decided.targets[cell])
    side = 1 if quantity > 0 else -1
    close = decided.rows.close[cell[1]]
    stop = stop_on_grid(close - side * rules.stop_atr_multiple * decided.rows.atr[cell[1]], side)
    reason = _objection(rules, book, decided, cell, quantity, stop)
    if reason != Reason.NONE:
        deny(book, records, decided.bar, cell, reason, abs(quantity))
        return
    limit = 0
    if rules.limit_entries:
        limit = stop_on_grid(close * (1.0 + side * rules.limit_offset_bps / 1e4), -side)
    start_order(book, cell, Kind.ENTRY, quantity, decided.reasons[cell], decided.bar, limit, stop)
    book.trail[cell] = 0
    if rules.trailing[cell[0]]:
        book.trail[cell] = trail_on_grid(rules.stop_atr_multiple * decided.rows.atr[cell[1]])
    book.told[cell] = Reason.NONE


@inlined_kernel
def _objection(
    rules: OrderRules, book: Book, decided: Decided, cell: tuple[int, int], quantity: int, stop: int
) -> Reason:
    """First of the live checks that an entry fails; NONE if it passes."""
    close = decided.rows.close[cell[1]]
    protects = 0 < stop / 1e6 < close if quantity > 0 else stop / 1e6 > close
    reason = Reason.NONE
    if not decided.session_goes_on and not rules.overnight:
        reason = Reason.MARKET_CLOSED
    elif not has_price(decided.bars, decided.bar, cell[1]):
        reason = Reason.FEED_STALE
    elif abs(quantity) > rules.max_quantity:
        reason = Reason.MAX_QUANTITY
    elif not protects:
        reason = Reason.PRICE_COLLAR
    elif abs(quantity) * close > rules.max_notional:
        reason = Reason.MAX_NOTIONAL
    elif _crosses(book, cell, quantity):
        reason = Reason.SELF_CROSS
    return reason


@inlined_kernel
def _crosses(book: Book, cell: tuple[int, int], quantity: int) -> bool:
    """Whether an order of ours works on the other side of the symbol; so does a stop that was triggered, not one that rests."""
    for strategy in range(book.kind.shape[0]):
        other = (strategy, cell[1])
        if book.left[other] * quantity < 0:
            return True
    return False


@borrowing_kernel
def stop_on_grid(price: float, side: int) -> int:
    """Stop price in micro-dollars on the grid of cents, so that it never triggers later than ``price``.

    As `execution.ticks.PriceGrid.stop`: the price is read to twelve significant digits first, then the stop of a long
    position is rounded up and that of a short one down.

    Parameters
    ----------
    price
        Dollars.
    side
        +1 for the stop of a long position, -1 of a short one.
    """
    if not 0.0 < price < 1e12:
        return 0
    unit = 1e-11
    while unit * 1e12 <= price:
        unit *= 10.0
    while unit * 1e11 > price:
        unit /= 10.0
    cents = price * 100.0
    nearest = math.floor(cents + 0.5)
    if abs(cents - nearest) <= 50.0 * unit:
        return int(nearest) * TICK
    return int(math.ceil(cents) if side > 0 else math.floor(cents)) * TICK


@inlined_kernel
def trail_on_grid(distance: float) -> int:
    """Distance of a trailing stop in micro-dollars: whole cents, at least one, and never more than ``distance`` dollars."""
    return max(stop_on_grid(distance, -1), TICK)
