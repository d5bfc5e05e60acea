"""What the engine asks execution for, and what it gets back."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from core.events import Order
from core.reasons import Reason
from core.vocabulary import ExecutionMethod, HaltLevel, Purpose, Side
from execution.methods.remainder import Remainder
from execution.methods.situation import SessionTimes
from portfolio.algo_wheel import OrderContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequel:
    """What a new order goes on with: the rest of ``root_ref``, whose last order was worked by ``method``."""

    root_ref: str
    method: ExecutionMethod
    remainder: Remainder
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPlan:
    """Open a position from flat, protected by a stop that works as soon as the entry fills.

    ``trail_distance`` (dollars) lets the stop follow the best price; None for one that stays. ``arrival_price`` is the
    price the decision was made on; ``created_ns`` is market time. ``context`` is what was known of the order then, but
    for the spread, which is the quote's when it is sent. ``session`` is the one that is on; ``is_short_restricted`` says
    whether rule 201 of Regulation SHO binds a short sale.
    """

    strategy: str
    symbol: str
    side: Side
    quantity: Decimal
    stop_price: float
    arrival_price: float
    created_ns: int
    reason: str = "entry"
    trail_distance: float | None = None
    context: OrderContext | None = None
    session: SessionTimes | None = None
    is_short_restricted: bool = False
    sequel: Sequel | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitPlan:
    """Close ``quantity`` of the booked, signed ``position``."""

    strategy: str
    symbol: str
    position: Decimal
    quantity: Decimal
    arrival_price: float
    created_ns: int
    reason: str = "exit"
    context: OrderContext | None = None
    session: SessionTimes | None = None
    sequel: Sequel | None = None

    @property
    def side(self) -> Side:
        """Side that reduces the position."""
        return Side.SELL if self.position > 0 else Side.BUY

    @property
    def is_full(self) -> bool:
        """Whether the position is to end flat."""
        return self.quantity == abs(self.position)


Plan = EntryPlan | ExitPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingConditions:
    """The engine's state, as far as it forbids orders."""

    halt_level: HaltLevel
    connected: bool
    reconciled: bool
    lease: bool
    market_open: bool = True
    locked_symbols: frozenset[str] = frozenset()
    stale_symbols: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """An order that was not sent, and why."""

    strategy: str
    symbol: str
    reason: Reason
    quantity: Decimal
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What became of a batch of plans: the orders handed to the socket, and the denials."""

    sent: tuple[Order, ...] = ()
    denials: tuple[Denial, ...] = field(default=())


def permission(purpose: Purpose, symbol: str, conditions: TradingConditions) -> Reason:
    """Whether the engine's state lets an order of this purpose out; ``Reason.NONE`` when it does.

    Without a reliable book (not reconciled, symbol locked) an exit could open a position, so it is held back too;
    the protective stop rests at the broker meanwhile. Everything else stops entries only.
    """
    rules = (
        (conditions.halt_level >= HaltLevel.HALTED, Reason.HALTED),
        (not conditions.connected, Reason.NOT_CONNECTED),
        (not conditions.reconciled, Reason.NOT_RECONCILED),
        (symbol in conditions.locked_symbols, Reason.SYMBOL_LOCKED),
        (purpose.adds_risk and conditions.halt_level >= HaltLevel.REDUCE_ONLY, Reason.REDUCE_ONLY),
        (purpose.adds_risk and not conditions.lease, Reason.NO_LEASE),
        (purpose.adds_risk and not conditions.market_open, Reason.MARKET_CLOSED),
        (purpose.adds_risk and symbol in conditions.stale_symbols, Reason.FEED_STALE),
    )
    return next((reason for forbids, reason in rules if forbids), Reason.NONE)
