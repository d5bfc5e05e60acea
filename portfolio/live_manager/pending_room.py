"""The caps over what is held and what entries that still work may add: a decision sees positions only.

A market entry fills before the next bar. One that takes its time is neither in the positions nor in the next decision's
sums; without this, a morning of entries for the close would fill all at once beyond every cap.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from core.config_schema import CapSettings
from core.reasons import Reason
from core.vocabulary import Purpose
from execution.methods.remainder import takes_its_time
from execution.order_book import OrderBook
from execution.order_state import OrderState
from execution.plans import Denial, EntryPlan
from portfolio.live_manager.book import LiveBook


class PendingRoom:
    """What one row's entries may still add. Without an entry that takes its time it has no objection.

    Parameters
    ----------
    caps
        Section ``caps``.
    book
        Positions and orders.
    price_of
        Price of a symbol now, for what is held.
    nlv
        Net liquidation value; NaN when it isn't known, and then nothing may be added beside what is pending.
    settled_cash
        Cash that a cash account may spend.
    """

    def __init__(
        self,
        caps: CapSettings,
        book: LiveBook,
        *,
        price_of: Callable[[str], float],
        nlv: float,
        settled_cash: float,
    ) -> None:
        self._caps = caps
        self._nlv = nlv
        self._settled_cash = settled_cash
        self._pending = _entries(book.orders)
        self._values: dict[str, float] = {}
        self._spent = 0.0
        for (_, symbol), position in book.positions().items():
            self._hold(symbol, abs(position), price_of(symbol))
        for state in self._pending:
            self._hold(state.order.symbol, state.open_quantity, price_of(state.order.symbol))
            self._spent += float(state.open_quantity) * price_of(state.order.symbol)

    def objection(self, plan: EntryPlan) -> Denial | None:
        """Why an entry has no room beside those that work; None when it has, and then it counts for the next one."""
        if not self._pending:
            return None
        value = float(plan.quantity) * plan.arrival_price
        caps, nlv = self._caps, self._nlv
        gross = sum(self._values.values()) + value
        in_symbol = self._values.get(plan.symbol, 0.0) + value
        symbols = {symbol for symbol, held in self._values.items() if held} | {plan.symbol}
        rules = (
            (not gross <= caps.max_gross_exposure * nlv, Reason.GROSS_CAP),
            (not in_symbol <= caps.max_symbol_exposure * nlv, Reason.SYMBOL_CAP),
            (len(symbols) > caps.max_positions, Reason.POSITIONS_CAP),
            (
                caps.account_type == "cash" and not self._spent + value <= self._settled_cash,
                Reason.SETTLED_CASH,
            ),
        )
        for is_broken, reason in rules:
            if is_broken:
                return Denial(
                    strategy=plan.strategy,
                    symbol=plan.symbol,
                    reason=reason,
                    quantity=plan.quantity,
                    detail=f"beside {len(self._pending)} entries that still work",
                )
        self._hold(plan.symbol, plan.quantity, plan.arrival_price)
        self._spent += value
        return None

    def _hold(self, symbol: str, quantity: Decimal, price: float) -> None:
        if quantity:
            self._values[symbol] = self._values.get(symbol, 0.0) + float(quantity) * price


def _entries(orders: OrderBook) -> tuple[OrderState, ...]:
    pending = orders.pending(purpose=Purpose.ENTRY)
    return tuple(state for state in pending if state.open_quantity and takes_its_time(state.order))
