"""What an account did, in the words that the live journal and a backtest have in common."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.vocabulary import OrderType, Purpose, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedOrder:
    """An order, by the bar at whose close it was decided. ``reason`` is "entry" or "exit", or what has reduced it."""

    bar_end_ns: int
    strategy: str
    symbol: str
    side: Side
    quantity: int
    order_type: OrderType
    purpose: Purpose
    reason: str
    stop_price: Decimal | None = None
    trailing_amount: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFill:
    """A fill, by the bar at whose close the account knew of it. ``reason`` is the order's; empty for a stop's."""

    bar_end_ns: int
    strategy: str
    symbol: str
    side: Side
    quantity: int
    price: Decimal
    commission: Decimal
    purpose: Purpose
    reason: str

    @property
    def signed(self) -> int:
        """Shares, below zero for a sale."""
        return self.side.sign * self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDenial:
    """Something that was not ordered, by the bar of the decision."""

    bar_end_ns: int
    strategy: str
    symbol: str
    reason: str
    quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """The account at a bar's close, dollars."""

    bar_end_ns: int
    nlv: Decimal
    cash: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountHistory:
    """Everything that happened to an account, each in order of time."""

    orders: tuple[PlacedOrder, ...]
    fills: tuple[AccountFill, ...]
    denials: tuple[AccountDenial, ...]
    balances: tuple[Balance, ...]
