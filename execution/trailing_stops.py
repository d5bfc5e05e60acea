"""Where trailing stops at the broker stand at least, from closed bars: between two reports of the broker.

The broker tells where a trailing stop stands only when it is asked for its open orders. An amendment names a price, and
one that is older than the market would let the stop fall back. So each closed bar moves our knowledge on: after a price
that was there, the stop stands no farther from it than its distance. Nothing here sends anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from core.events import Bar
from core.vocabulary import OrderType, Purpose, Side
from execution.broker_port import JournalPort
from execution.order_manager import OrderManager
from execution.order_state import OrderState
from execution.ticks import PriceGrid


class TrailingStops:
    """Follows the stops of open positions, bar by bar.

    Parameters
    ----------
    manager, journal
        The engine's; what is learned is journaled.
    grid
        Prices that a stop can have.
    """

    def __init__(self, manager: OrderManager, journal: JournalPort, grid: PriceGrid) -> None:
        self._manager = manager
        self._journal = journal
        self._grid = grid
        self._worked: frozenset[str] = frozenset()

    def on_bars(self, bars: Mapping[str, Bar]) -> None:
        """Take one closed bar of each symbol that has one."""
        working = [state for state in self._manager.book.pending(purpose=Purpose.STOP) if self._works(state)]
        if working:
            with self._journal.batch():
                for state in working:
                    bar = bars.get(state.order.symbol)
                    if bar is not None:
                        self._follow(state, bar)
        self._worked = frozenset(state.order_ref for state in working)

    def _works(self, state: OrderState) -> bool:
        """Whether a stop follows the market: it trails, rests at the broker, and its position has begun."""
        order = state.order
        if order.order_type is not OrderType.TRAIL or not state.is_live or state.filled or state.unbooked:
            return False
        parent = None if order.parent_ref is None else self._manager.book.get(order.parent_ref)
        return parent is None or bool(parent.filled)

    def _follow(self, state: OrderState, bar: Bar) -> None:
        order, amount = state.order, state.order.trailing_amount
        if amount is None:
            return
        sells = order.side is Side.SELL
        best = bar.close
        if self._saw_the_whole_bar(state):
            best = bar.high if sells else bar.low
        # Rounded away from the market: the stop stands there at least.
        reached = self._grid.limit(order.symbol, order.side.opposite, best) + order.side.sign * amount
        # A stop beyond the close would have been hit by now; what it means, the broker will tell.
        if reached > 0 and (Decimal(repr(bar.close)) - reached) * order.side.sign < 0:
            self._manager.trail(state, reached, source="bars")

    def _saw_the_whole_bar(self, state: OrderState) -> bool:
        """Whether the stop worked from the bar's beginning: it did before, or its entry filled at once."""
        if state.order_ref in self._worked:
            return True
        ref = state.order.parent_ref
        parent = None if ref is None else self._manager.book.get(ref)
        return parent is not None and parent.order.order_type is OrderType.MARKET and not parent.order.algo
