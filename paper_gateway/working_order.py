"""One order's life in the brokerage: terms in ticks, fills so far, and what it waits for."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from decimal import Decimal

from core.vocabulary import OrderType, TimeInForce
from paper_gateway.account import ZERO
from paper_gateway.methods import Method
from paper_gateway.types import Held, OrderState, OrderTicket, OrderView

OrderKey = tuple[int, int]  # client id, order id

_AVERAGE = Decimal("0.00000001")

NEVER_LOW = -1
NEVER_HIGH = 1 << 62

_AUCTION = frozenset({OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE})
_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAIL})
_LIMITED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_ON_CLOSE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A ticket's terms, read: types known, prices in whole ticks."""

    kind: OrderType
    time_in_force: TimeInForce
    is_buy: bool
    quantity: int
    limit: int | None
    stop: int | None
    trail_ticks: int | None
    trail_fraction: float | None
    method: Method | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class WorkingOrder:
    """An accepted order. Prices are in ticks; quantities in whole shares.

    ``original`` is the quantity asked for, ``reduced`` what OCA siblings took of it; ``stop`` is where the stop
    stands now. ``elected`` is set when it was reached. A child order waits for its ``parent``'s fills and works for
    as many shares.
    """

    ticket: OrderTicket
    perm_id: int
    tick: Decimal
    terms: Terms
    original: int
    stop: int | None = None
    sequence: int = 0
    parent: WorkingOrder | None = None
    state: OrderState = OrderState.PENDING_SUBMIT
    transmitted: bool = False
    elected: bool = False
    is_awake: bool = False  # a child whose parent has begun to fill
    reduced: int = 0
    filled: int = 0
    turnover: int | Decimal = 0  # ticks times shares
    last_price: int | Decimal = 0
    commission: Decimal = ZERO
    month_shares: int = 0
    warning: str = ""
    held: Held | None = None  # by a fault; see ``hooks``
    is_short_sale: bool = False
    worked_since_ns: int | None = None  # by its method, market time
    traded_before: int = 0  # shares that had traded in the session by then
    placed_s: float = field(default_factory=time.monotonic)  # wall time

    @property
    def key(self) -> OrderKey:
        """What identifies the order."""
        return self.ticket.client_id, self.ticket.order_id

    @property
    def symbol(self) -> str:
        """The symbol."""
        return self.ticket.symbol

    @property
    def kind(self) -> OrderType:
        """The order's type."""
        return self.terms.kind

    @property
    def time_in_force(self) -> TimeInForce:
        """How long it works."""
        return self.terms.time_in_force

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.terms.is_buy

    @property
    def limit(self) -> int | None:
        """Worst price."""
        return self.terms.limit

    @property
    def method(self) -> Method | None:
        """How it is worked, when that is more than its type."""
        return self.terms.method

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self.is_buy else -1

    @property
    def quantity(self) -> int:
        """Shares the order is for, now."""
        return self.original - self.reduced

    @property
    def remaining(self) -> int:
        """Shares not filled yet."""
        return self.quantity - self.filled

    @property
    def workable(self) -> int:
        """Shares that may fill now: a child's are limited by what its parent has filled."""
        parent = self.parent
        if parent is None or parent.state is OrderState.FILLED:
            return self.remaining
        return max(min(self.original, parent.filled) - self.reduced - self.filled, 0)

    @property
    def is_auction(self) -> bool:
        """Whether it takes part in the closing auction only."""
        return self.kind in _AUCTION

    @property
    def is_stop(self) -> bool:
        """Whether it waits for a stop price to be reached."""
        return self.kind in _STOPS and not self.elected

    @property
    def is_limited(self) -> bool:
        """Whether it has a worst price."""
        return self.kind in _LIMITED

    @property
    def waits_for_parent(self) -> bool:
        """Whether no share may fill before the parent's do."""
        return self.parent is not None and self.workable == 0

    @property
    def is_active(self) -> bool:
        """Whether the market may fill it now."""
        return self.transmitted and not self.state.is_done and self.held is None and not self.waits_for_parent

    def wake_levels(self) -> tuple[int, int]:
        """Prices between which nothing can happen to it: it wakes at a low at or below, a high at or above."""
        if self.is_auction:
            return NEVER_LOW, NEVER_HIGH
        if self.method is not None:
            return NEVER_HIGH, NEVER_HIGH  # it looks at every step
        if self.is_stop and self.stop is not None:
            if self.kind is OrderType.TRAIL:
                # One tick early at least: a percentage of a lower price is a smaller distance.
                trailed = round(self.stop / (1 + self.sign * (self.terms.trail_fraction or 0.0)))
                moves_at = self.stop - self.sign * (self.trail_distance(trailed) - 1)
                return (moves_at, self.stop) if self.is_buy else (self.stop, moves_at)
            return (NEVER_LOW, self.stop) if self.is_buy else (self.stop, NEVER_HIGH)
        if self.is_limited and self.limit is not None:
            return (self.limit, NEVER_HIGH) if self.is_buy else (NEVER_LOW, self.limit)
        return NEVER_HIGH, NEVER_HIGH  # a market order wakes on every step

    def trail_distance(self, reference: int) -> int:
        """Distance between a trailing stop and the price it trails, in ticks, at least 1."""
        if self.terms.trail_fraction is not None:
            return max(round(reference * self.terms.trail_fraction), 1)
        return self.terms.trail_ticks or 1

    def trail(self, low: int, high: int) -> bool:
        """Move a trailing stop after a price that went its way; True when it moved."""
        if self.kind is not OrderType.TRAIL or self.stop is None or self.elected:
            return False
        best = low if self.is_buy else high
        candidate = best + self.sign * self.trail_distance(best)
        if candidate < 1 or (candidate >= self.stop if self.is_buy else candidate <= self.stop):
            return False
        self.stop = candidate
        return True

    def why_held(self) -> str:
        """Return TWS's word for what it waits for."""
        reasons = []
        if self.parent is not None and self.waits_for_parent:
            reasons.append("child")
        if self.is_stop:
            reasons.append("trigger")
        if self.held is not None and self.held.why:
            reasons.append(self.held.why)
        return ",".join(reasons) if self.state is OrderState.PRE_SUBMITTED else ""

    def change(self, ticket: OrderTicket, terms: Terms) -> None:
        """Take on the terms of a modification.

        A trailing stop stays where it has moved to, unless the client names another price than it did before; a
        distance that has changed is followed from there on.
        """
        keeps_stop = self.stop is not None and terms.kind is OrderType.TRAIL and self.kind is OrderType.TRAIL
        if not keeps_stop or terms.stop not in {None, self.terms.stop}:
            self.stop = terms.stop
        self.ticket, self.terms = ticket, terms
        self.original, self.reduced = terms.quantity, 0

    def average_price(self) -> Decimal:
        """Average price of its fills; 0 without any."""
        return (self.tick * self.turnover / self.filled).quantize(_AVERAGE) if self.filled else ZERO

    def view(self) -> OrderView:
        """Return the order as clients may see it."""
        ticket = self.ticket
        changes: dict[str, Decimal] = {}
        if ticket.quantity != self.quantity:
            changes["quantity"] = Decimal(self.quantity)
        if self.kind is OrderType.TRAIL and self.stop is not None:
            changes["trail_stop_price"] = self.tick * self.stop
        if changes:
            ticket = replace(
                ticket,
                quantity=changes.get("quantity", ticket.quantity),
                trail_stop_price=changes.get("trail_stop_price", ticket.trail_stop_price),
            )
        return OrderView(
            ticket=ticket,
            perm_id=self.perm_id,
            state=self.state,
            filled=Decimal(self.filled),
            remaining=Decimal(self.remaining),
            average_fill_price=self.average_price(),
            last_fill_price=self.tick * self.last_price,
            why_held=self.why_held(),
            warning=self.warning,
        )
