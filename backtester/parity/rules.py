"""From decisions to orders, in plain Python: what `backtester.orders` does in kernels and `execution` does live.

It knows prices, positions and what works; how and when orders fill is told from outside. So the same rules say which orders
a recorded account should have sent, and which orders stand behind a backtest's fills.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from backtester.orders import stop_on_grid, trail_on_grid
from backtester.parity.history import AccountDenial, PlacedOrder
from core.config_schema import PretradeSettings
from core.reasons import Reason
from core.vocabulary import OrderType, Purpose, Side

_MICRO = 1_000_000
Key = tuple[str, str]
"""Strategy and symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the decision wants of one strategy in one symbol."""

    strategy: str
    symbol: str
    position: int
    target: int
    reason: Reason
    close: float
    stop_distance: float
    is_priced: bool
    """Whether the symbol has a complete bar in this row."""

    @property
    def key(self) -> Key:
        """Strategy and symbol."""
        return self.strategy, self.symbol


@dataclass(slots=True)
class _Working:
    purpose: Purpose
    left: int


class OrderRules:
    """The orders of an account, as far as decisions depend on them.

    Parameters
    ----------
    limits
        Of one order.
    overnight
        Whether entries may wait for the next session (daily bars).
    entry_type
        Market or limit.
    trailing
        Strategies whose stops trail.
    """

    def __init__(
        self,
        limits: PretradeSettings,
        *,
        overnight: bool,
        entry_type: OrderType = OrderType.MARKET,
        trailing: frozenset[str] = frozenset(),
    ) -> None:
        self._limits = limits
        self._types = {Purpose.ENTRY: entry_type, Purpose.STOP: OrderType.STOP}
        self._trailing = trailing
        self._overnight = overnight
        self._working: dict[Key, _Working] = {}
        self._ending: dict[
            Key, _Working
        ] = {}  # asked to end at this bar, which is not confirmed before the next
        self._told: dict[Key, Reason] = {}
        self.orders: list[PlacedOrder] = []
        self.denials: list[AccountDenial] = []

    # --- what happened to orders ---

    def filled(self, key: Key, purpose: Purpose, quantity: int, position: int) -> None:
        """Take a fill of ``quantity`` (signed) that led to ``position``."""
        if purpose is Purpose.STOP:
            # A stop that is hit ends whatever else works for the position, and goes on until all of it is gone.
            self._working.pop(key, None)
            if position:
                self._working[key] = _Working(Purpose.STOP, -position)
            return
        order = self._working.get(key)
        if order is not None and order.purpose is purpose:
            order.left -= quantity
            if order.left == 0:
                del self._working[key]

    def ended(self, key: Key, purpose: Purpose) -> None:
        """Note that the broker ended an order."""
        order = self._working.get(key)
        if order is not None and order.purpose is purpose:
            del self._working[key]

    def expire(self, bar_end_ns: int, keys: Iterable[Key]) -> None:
        """End what a session leaves of entries and exits (time in force DAY)."""
        for key in keys:
            order = self._working.get(key)
            if order is not None and order.purpose is not Purpose.STOP:
                self._deny(bar_end_ns, key, Reason.ORDER_EXPIRED, abs(order.left))
                del self._working[key]

    # --- what is ordered ---

    def place(self, bar_end_ns: int, wishes: Iterable[Wish], *, session_goes_on: bool) -> None:
        """Order what the decisions want: refusals are told, then exits go, then entries."""
        wishes = tuple(wishes)
        self._ending.clear()
        for wish in wishes:
            if wish.target == wish.position and wish.reason:
                self._deny(bar_end_ns, wish.key, wish.reason, 0)
        for wish in wishes:
            if wish.position and wish.target != wish.position:
                self._exit(bar_end_ns, wish)
        for wish in wishes:
            if not wish.position and wish.target and wish.key not in self._working:
                self._enter(bar_end_ns, wish, session_goes_on=session_goes_on)

    def _exit(self, bar_end_ns: int, wish: Wish) -> None:
        change = wish.target - wish.position
        order = self._working.get(wish.key)
        if order is not None:
            if order.purpose is Purpose.ENTRY:
                self._ending[wish.key] = self._working.pop(wish.key)
            self._deny(bar_end_ns, wish.key, Reason.EXIT_PENDING, abs(change))
            return
        self._send(bar_end_ns, wish, Purpose.EXIT, change)

    def _enter(self, bar_end_ns: int, wish: Wish, *, session_goes_on: bool) -> None:
        side = 1 if wish.target > 0 else -1
        stop = stop_on_grid(wish.close - side * wish.stop_distance, side)
        reason = self._objection(wish, stop / _MICRO, session_goes_on=session_goes_on)
        if reason:
            self._deny(bar_end_ns, wish.key, reason, abs(wish.target))
            return
        self._send(bar_end_ns, wish, Purpose.ENTRY, wish.target)
        trail = None
        if wish.strategy in self._trailing:
            trail = Decimal(trail_on_grid(wish.stop_distance)) / _MICRO
        self._note(bar_end_ns, wish, Purpose.STOP, -wish.target, Decimal(stop) / _MICRO, trail)

    def _objection(self, wish: Wish, stop: float, *, session_goes_on: bool) -> Reason:
        quantity = abs(wish.target)
        protects = 0 < stop < wish.close if wish.target > 0 else stop > wish.close
        checks = (
            (not session_goes_on and not self._overnight, Reason.MARKET_CLOSED),
            (not wish.is_priced or not math.isfinite(wish.close), Reason.FEED_STALE),
            (quantity > self._limits.max_order_quantity, Reason.MAX_QUANTITY),
            (not protects, Reason.PRICE_COLLAR),
            (quantity * wish.close > self._limits.max_order_notional, Reason.MAX_NOTIONAL),
            (self._crosses(wish), Reason.SELF_CROSS),
        )
        return next((reason for forbids, reason in checks if forbids), Reason.NONE)

    def _crosses(self, wish: Wish) -> bool:
        return any(
            symbol == wish.symbol and order.left * wish.target < 0
            for (_strategy, symbol), order in (self._working | self._ending).items()
        )

    def _send(self, bar_end_ns: int, wish: Wish, purpose: Purpose, quantity: int) -> None:
        self._working[wish.key] = _Working(purpose, quantity)
        self._told.pop(wish.key, None)
        self._note(bar_end_ns, wish, purpose, quantity)

    def _note(
        self,
        bar_end_ns: int,
        wish: Wish,
        purpose: Purpose,
        quantity: int,
        stop_price: Decimal | None = None,
        trailing_amount: Decimal | None = None,
    ) -> None:
        self.orders.append(
            PlacedOrder(
                bar_end_ns=bar_end_ns,
                strategy=wish.strategy,
                symbol=wish.symbol,
                side=Side.BUY if quantity > 0 else Side.SELL,
                quantity=abs(quantity),
                order_type=OrderType.TRAIL if trailing_amount else self._types.get(purpose, OrderType.MARKET),
                purpose=purpose,
                reason=wish.reason.code if wish.reason else ("exit" if purpose is Purpose.EXIT else "entry"),
                stop_price=stop_price,
                trailing_amount=trailing_amount,
            )
        )

    def _deny(self, bar_end_ns: int, key: Key, reason: Reason, quantity: int) -> None:
        """Tell a denial when it begins, not again on each bar while it stands."""
        if self._told.get(key, Reason.NONE) is reason:
            return
        self._told[key] = reason
        self.denials.append(
            AccountDenial(
                bar_end_ns=bar_end_ns, strategy=key[0], symbol=key[1], reason=reason.code, quantity=quantity
            )
        )
