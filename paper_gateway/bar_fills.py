"""The bar fill model: what a backtest assumes of a bar, as the rules of a broker. ``--fill-model bar``.

The tape's own matching (``matching``) is closer to a market: it looks at each five seconds, at the shares shown, at the
simulated spread. A backtest knows a bar's open, high, low, close and volume only. Under this model the gateway fills as a
backtest does (docs/backtesting.md), so that a paper session and a backtest over its bars can be compared fill by fill:

- Nothing fills where it was placed. At the first step of a bar, at the bar's open: what triggered stops have left, then
  orders that stand alone, then those that have children; each by time.
- A stop is triggered by the step that reaches it, and fills at its price, or at the bar's open when that lies beyond. The
  stop of an order that has just filled works from that bar's first step on. One that is triggered ends what is left of
  its parent: the rest doesn't fill any more.
- A stop that trails stands still inside a bar. The open moves it before anything else, and the bar's extremes move it when
  the bar is over; the close alone, if the order came inside the bar. When the close has fallen from the high (risen from
  the low) by the distance, the stop was hit on the way, and fills at the bar's worst price.
- Every price moves against the order by half the spread, slippage, and impact that grows with the square root of its
  share of the bar's volume. Prices are whole micro-dollars.
- The orders of a symbol share what the bar's volume allows; the rest waits for the next bar's open.

Limit orders and auctions are refused: bars don't say what they would have got.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from core.vocabulary import OrderType
from data.bar_table import NS_PER_S
from paper_gateway.market import Market, TapeReader
from paper_gateway.matching import Fill
from paper_gateway.order_rules import Refusal
from paper_gateway.order_store import OrderStore
from paper_gateway.price_path import STEP_S
from paper_gateway.tape import STEP_NS
from paper_gateway.types import OrderState
from paper_gateway.working_order import OrderKey, Terms, WorkingOrder

_MICRO = Decimal("0.000001")
_HUNDREDTH = Decimal("0.01")
_STOPS = frozenset({OrderType.STOP, OrderType.TRAIL})
_NOT_SUPPORTED = 387  # TWS: unsupported order type for this exchange and security type


@dataclass(frozen=True, slots=True, kw_only=True)
class BarModel:
    """Seconds in a bar, what a fill costs besides commissions (basis points), and the share of a bar's volume to be had.

    Bars begin at multiples of their size on the UTC clock, and at the opening.
    """

    size_s: int = 300
    half_spread_bps: float = 1.0
    slippage_bps: float = 1.0
    impact_bps: float = 10.0
    participation: float = 0.1

    def __post_init__(self) -> None:
        if self.size_s < STEP_S or self.size_s % STEP_S:
            raise ValueError(f"a bar must be a multiple of {STEP_S} s: {self.size_s}")
        for name in ("half_spread_bps", "slippage_bps", "impact_bps"):
            if not 0 <= getattr(self, name) <= 1000:
                raise ValueError(f"{name} must be from 0 to 1000: {getattr(self, name)}")
        if not 0 < self.participation <= 1:
            raise ValueError(f"participation must be above 0 and at most 1: {self.participation}")

    def price(self, base: Decimal, quantity: int, volume: int, *, is_buy: bool) -> Decimal:
        """Price in dollars of a fill whose undisturbed price is ``base``, in a bar of ``volume`` shares."""
        share = Decimal(quantity) / Decimal(volume)
        impact = (Decimal(repr(self.impact_bps)) * share.sqrt()).quantize(_HUNDREDTH, ROUND_HALF_UP)
        rate = Decimal(repr(self.half_spread_bps)) + Decimal(repr(self.slippage_bps)) + impact
        move = (base * rate / 10_000).quantize(_MICRO, ROUND_HALF_UP)
        return base + move if is_buy else max(base - move, _MICRO)

    def fillable(self, volume: int) -> int:
        """Shares that the account's orders may fill in a bar of ``volume`` shares."""
        return int(volume * Decimal(repr(self.participation)))


@dataclass(slots=True)
class _Bar:
    """One symbol's present bar: its open in ticks, its volume, and the shares that are still to be had.

    ``steps`` are its steps; ``trailing`` the trailing stops that work from its first step on.
    """

    open: int
    volume: int
    room: int
    steps: slice
    trailing: frozenset[OrderKey] = frozenset()


class BarFills:
    """Fills orders bar by bar.

    Parameters
    ----------
    market, store
        Prices, and the live orders.
    model
        The rules' numbers.
    book
        Books a fill.
    announce
        Tells that an order has changed.
    """

    def __init__(
        self,
        market: Market,
        store: OrderStore,
        model: BarModel,
        *,
        book: Callable[[WorkingOrder, Fill], None],
        announce: Callable[[WorkingOrder], None],
    ) -> None:
        self._market = market
        self._store = store
        self._model = model
        self._size_ns = model.size_s * NS_PER_S
        self._book = book
        self._announce = announce
        self._bars: dict[str, _Bar] = {}

    def on_step(self) -> None:
        """Do what the market's newest step does to the orders, symbol by symbol."""
        session = self._market.session
        start_ns = self._market.now_ns - STEP_NS
        begins = session is not None and (start_ns == session.open_ns or start_ns % self._size_ns == 0)
        for symbol in self._market.symbols:
            book, reader = self._store.books.get(symbol), self._market.reader(symbol)
            if reader is None:
                continue
            index = self._market.step_index
            if begins:
                self._bars[symbol] = self._begin(reader, index)
            if book is None or not book.orders:
                continue
            if begins:
                self._fill_at_open(symbol)
            if book.is_dirty:
                book.refresh()
            if reader.low[index] <= book.wake_low or reader.high[index] >= book.wake_high:
                self._trigger(symbol, reader.low[index], reader.high[index])
            if index + 1 == self._bars[symbol].steps.stop:
                self._follow_bar(symbol, reader)

    def _begin(self, reader: TapeReader, index: int) -> _Bar:
        start_ns = self._market.now_ns - STEP_NS
        left_ns = self._size_ns - start_ns % self._size_ns
        steps = slice(index, min(index + left_ns // STEP_NS, len(reader.volume)))
        volume = sum(reader.volume[steps])
        return _Bar(reader.open[index], volume, self._model.fillable(volume), steps)

    def _fill_at_open(self, symbol: str) -> None:
        bar = self._bars[symbol]
        working = [order for order in self._store.books[symbol].orders if order.is_active]
        for order in sorted((order for order in working if not order.is_stop), key=self._rank):
            if order.is_active and not self._is_stopped(order):
                self._fill(order, bar.open, bar)
        trailing = self._trailing(symbol)
        bar.trailing = frozenset(order.key for order in trailing)
        for order in trailing:
            self._trail(order, bar.open, bar.open)

    def _is_stopped(self, order: WorkingOrder) -> bool:
        return any(child.elected for child in self._store.children(order))

    def _rank(self, order: WorkingOrder) -> tuple[int, int]:
        if order.kind in _STOPS:
            return 0, order.sequence
        return (2 if self._store.children(order) else 1), order.sequence

    def _trigger(self, symbol: str, low: int, high: int) -> None:
        bar = self._bars[symbol]
        for order in list(self._store.books[symbol].orders):
            stop = order.stop
            if stop is None or not order.is_stop or not order.is_active:
                continue
            if high < stop if order.is_buy else low > stop:
                continue
            self._elect(order, max(stop, bar.open) if order.is_buy else min(stop, bar.open), bar)

    def _elect(self, order: WorkingOrder, base: int, bar: _Bar) -> None:
        order.elected = True
        order.state = OrderState.SUBMITTED
        self._store.touch(order)
        self._announce(order)
        self._fill(order, base, bar)

    def _trailing(self, symbol: str) -> list[WorkingOrder]:
        orders = self._store.books[symbol].orders
        return [each for each in orders if each.kind is OrderType.TRAIL and each.is_stop and each.is_active]

    def _follow_bar(self, symbol: str, reader: TapeReader) -> None:
        """Hit the trailing stops that the bar has surely turned to, and move the others after its extremes."""
        bar = self._bars[symbol]
        low, high = min(reader.low[bar.steps]), max(reader.high[bar.steps])
        close = reader.close[bar.steps.stop - 1]
        for order in self._trailing(symbol):
            best, worst = (low, high) if order.is_buy else (high, low)
            if order.key not in bar.trailing:
                self._trail(order, close, close)
            elif (close - best) * order.sign >= order.trail_distance(best):
                self._elect(order, worst, bar)
            else:
                self._trail(order, low, high)

    def _trail(self, order: WorkingOrder, low: int, high: int) -> None:
        if order.trail(low, high):
            self._store.touch(order)

    def _fill(self, order: WorkingOrder, base: int, bar: _Bar) -> None:
        quantity = min(order.workable, bar.room)
        if quantity <= 0:
            return
        bar.room -= quantity
        price = self._model.price(order.tick * base, quantity, bar.volume, is_buy=order.is_buy)
        self._book(order, Fill(quantity, price / order.tick))


def refusal_of(terms: Terms) -> Refusal | None:
    """Why the model can't fill such orders; None for plain market orders and stops, those that trail among them."""
    if terms.method is None and (terms.kind is OrderType.MARKET or terms.kind in _STOPS):
        return None
    name = terms.kind.value if terms.method is None else f"{terms.kind.value} {type(terms.method).__name__}"
    return Refusal(_NOT_SUPPORTED, f"{name} orders can't be filled by --fill-model bar")
