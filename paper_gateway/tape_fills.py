"""The tape's fill model: orders meet the simulated five-second path, its spread and its sizes.

``matching`` says what an order could get; here that is booked, at what its size makes of it:

- Beyond the shares shown at the touch each further tick of the book offers as many again, up to ``DEEPEST`` ticks.
- The account's pressure moves the price against it (``impact``).

No share fills at a price that the order's limit doesn't allow, however the price came about.
"""

from __future__ import annotations

from collections.abc import Callable

from paper_gateway import matching, tactics
from paper_gateway.impact import ImpactModel, Pressures
from paper_gateway.market import Market, TapeReader
from paper_gateway.matching import Fill
from paper_gateway.order_store import OrderStore, SymbolBook
from paper_gateway.short_sales import ShortSales
from paper_gateway.tactics import Now, Slice
from paper_gateway.types import OrderState
from paper_gateway.working_order import WorkingOrder

DEEPEST = 5
"""Ticks beyond the touch at which an order takes whatever the step has left for it."""

Limit = tactics.Price | None


class TapeFills:
    """Fills orders step by step.

    Parameters
    ----------
    market, store
        Prices, and the live orders.
    impact
        What the account's size does to its prices.
    short_sales
        Which orders may not take.
    book
        Books a fill.
    announce
        Tells that an order has changed.
    expire
        Ends an order whose time is over.
    """

    def __init__(
        self,
        market: Market,
        store: OrderStore,
        impact: ImpactModel,
        short_sales: ShortSales,
        *,
        book: Callable[[WorkingOrder, Fill], None],
        announce: Callable[[WorkingOrder], None],
        expire: Callable[[WorkingOrder], None],
    ) -> None:
        self._market = market
        self._store = store
        self._pressures = Pressures(impact)
        self._short_sales = short_sales
        self._book = book
        self._announce = announce
        self._expire = expire

    def on_step(self) -> None:
        """Match working orders against the newest step. Costs next to nothing when nothing happens."""
        index = self._market.step_index
        for symbol, book in self._store.books.items():
            if not book.orders:
                continue
            if book.is_dirty:
                book.refresh()
            reader = self._market.reader(symbol)
            if reader is None:
                continue
            if reader.low[index] <= book.wake_low or reader.high[index] >= book.wake_high:
                self._match_step(book, reader, index)

    def meet_quote(self, order: WorkingOrder) -> None:
        """Let an order that has just come to market meet the quote; one that a method works waits for the next step."""
        reader = self._market.reader(order.symbol)
        if reader is None or order.method is not None or self._short_sales.bars(order):
            return
        pool = self._store.books[order.symbol].pool
        index = self._market.step_index
        pool.refill(reader, index, self._market.now_ns)
        touch = self._market.touch(order.symbol)
        fill = matching.meet_quote(order, reader, index, touch, pool)
        if fill is not None:
            self._fill(order, fill, order.limit if order.is_limited else None, reader, max(index, 0))

    def _match_step(self, book: SymbolBook, reader: TapeReader, index: int) -> None:
        book.pool.refill(reader, index, self._market.now_ns)
        # A child that a fill in this step wakes must not see the whole step: it isn't among these.
        for order in [order for order in book.orders if order.is_active and not order.is_auction]:
            if not order.is_active:
                continue
            low, high = reader.low[index], reader.high[index]
            elected_now = matching.elect(order, low, high)
            if elected_now:
                order.state = OrderState.SUBMITTED
                self._store.touch(order)
                self._announce(order)
            elif order.is_stop:
                if order.trail(low, high):
                    self._store.touch(order)
                continue
            if order.method is not None or self._short_sales.bars(order):
                self._work(order, reader, index)
                continue
            shift = self._shift(order, reader)
            fill = matching.meet_step(order, reader, index, book.pool, elected_now=elected_now, shift=shift)
            if fill is not None:
                self._fill(order, fill, order.limit if order.is_limited else None, reader, index)

    def _work(self, order: WorkingOrder, reader: TapeReader, index: int) -> None:
        """Do what an order's method, or the rule for its short sale, wants in this step."""
        session = self._market.session
        assert session is not None, "orders meet steps in sessions"
        if tactics.has_ended(order, self._market.now_ns):
            self._expire(order)
            return
        bid, ask = self._market.touch_before(order.symbol)
        now = Now(bid, ask, index, session, reader)
        if not tactics.has_begun(order, now.start_ns):
            return
        if order.state is OrderState.PRE_SUBMITTED:
            order.state = OrderState.SUBMITTED
            self._announce(order)
        part = Slice(order.workable, order.limit) if order.method is None else tactics.next_slice(order, now)
        if part is None:
            return
        if self._short_sales.bars(order):
            floor = bid + 1
            part = Slice(part.shares, floor if part.limit is None else max(part.limit, floor), rests=True)
        pool = self._store.books[order.symbol].pool
        fill = matching.meet_slice(order, part, reader, index, pool, shift=self._shift(order, reader))
        if fill is not None:
            self._fill(order, fill, part.limit, reader, index)

    def _shift(self, order: WorkingOrder, reader: TapeReader) -> int:
        """Ticks by which the account has pushed the price away from the order."""
        return self._pressures.shift(order.symbol, reader, self._market.now_ns, 0, is_buy=order.is_buy)

    def _fill(self, order: WorkingOrder, fill: Fill, limit: Limit, reader: TapeReader, index: int) -> None:
        """Book a fill: at once when it rested, else tick by tick through the book."""
        if fill.adds_liquidity:
            self._take(order, fill)
            return
        left = fill.quantity
        while left > 0 and not order.state.is_done:
            level, shares = self._level(order, reader, index)
            quantity = min(left, shares, order.workable)
            quantity, price = self._affordable(
                order, reader, fill.price + order.sign * level, quantity, limit
            )
            if quantity <= 0:
                return
            self._take(order, Fill(quantity, price))
            left -= quantity

    def _level(self, order: WorkingOrder, reader: TapeReader, index: int) -> tuple[int, int]:
        """How many ticks beyond the touch the book stands by now, and the shares that are left there."""
        shown = reader.ask_size[index] if order.is_buy else reader.bid_size[index]
        taken = self._store.books[order.symbol].pool.taken(order)
        level = taken // shown if shown else DEEPEST
        if level >= DEEPEST:
            return DEEPEST, order.workable
        return level, shown * (level + 1) - taken

    def _affordable(
        self, order: WorkingOrder, reader: TapeReader, base: tactics.Price, quantity: int, limit: Limit
    ) -> tuple[int, tactics.Price]:
        """Shares, up to ``quantity``, that the limit allows with their own impact, and their price."""
        while quantity > 0:
            shift = self._pressures.shift(
                order.symbol, reader, self._market.now_ns, quantity, is_buy=order.is_buy
            )
            price = max(base + order.sign * shift, 1)
            if limit is None or order.sign * (limit - price) >= 0:
                return quantity, price
            quantity //= 2
        return 0, base

    def _take(self, order: WorkingOrder, fill: Fill) -> None:
        self._store.books[order.symbol].pool.take(order, fill.quantity)
        self._pressures.add(order.symbol, self._market.now_ns, fill.quantity, is_buy=order.is_buy)
        self._book(order, fill)
