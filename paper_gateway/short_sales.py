"""Rules for short sales: stocks that can't be borrowed, and the price test of Regulation SHO's rule 201.

After a stock has traded ten percent or more below its previous close, a short sale may not execute at or below the national
best bid, for the rest of that day and the next one. A sale is short when the account holds fewer shares than it is for; an order
that is short in part counts as short in whole, and what other orders sell meanwhile isn't looked at.
"""

from __future__ import annotations

from datetime import date

from paper_gateway.account import Account
from paper_gateway.market import Market
from paper_gateway.order_rules import REJECTED, Refusal
from paper_gateway.working_order import WorkingOrder

_FALL = 0.9  # of the previous close


class ShortSales:
    """Says which orders sell short, and what they may do.

    Parameters
    ----------
    market, account
        Prices and holdings.
    not_shortable
        Symbols of which no share can be borrowed.
    """

    def __init__(self, market: Market, account: Account, not_shortable: frozenset[str]) -> None:
        self._market = market
        self._account = account
        self._not_shortable = not_shortable
        self._fell_on: dict[str, date] = {}

    def is_short(self, order: WorkingOrder) -> bool:
        """Whether an order that is about to be placed would sell shares that the account doesn't have."""
        if order.is_buy or order.parent is not None:
            return False
        return self._account.position(order.symbol) < order.remaining

    def refusal(self, order: WorkingOrder) -> Refusal | None:
        """Why a short sale is refused."""
        if order.is_short_sale and order.symbol in self._not_shortable:
            return Refusal(REJECTED, "Order rejected - reason:The contract is not available for short sale.")
        return None

    def bars(self, order: WorkingOrder) -> bool:
        """Whether the price test keeps the order from taking the bid."""
        return order.is_short_sale and self._is_tested(order.symbol)

    def on_session_close(self) -> None:
        """Note which symbols carry the test into the next session."""
        session = self._market.session
        if session is None:
            return
        for symbol in self._market.symbols:
            if self._has_fallen(symbol):
                self._fell_on[symbol] = session.date

    def _is_tested(self, symbol: str) -> bool:
        if self._has_fallen(symbol):
            return True
        session, fell_on = self._market.session, self._fell_on.get(symbol)
        if session is None or fell_on is None:
            return False
        before = self._market.calendar.previous_session(session.open_ns - 1)
        return before is not None and before.date == fell_on

    def _has_fallen(self, symbol: str) -> bool:
        reader, index = self._market.reader(symbol), self._market.step_index
        if reader is None or index < 0 or not reader.previous_close:
            return False
        return bool(reader.day_low[index] <= _FALL * reader.previous_close)
