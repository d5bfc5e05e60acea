"""Frozen messages: everything that passes through the engine's queue or between the layers.

Times are int64 nanoseconds since the Unix epoch, UTC (``_ns``), on the *market* clock unless the name says
``monotonic``. A bar is stamped with its close. Quantities and prices that are sent or booked are ``Decimal``;
market data are floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from core.exec_ids import base_exec_id
from core.vocabulary import (
    BrokerStatus,
    ConnectionState,
    ExecutionMethod,
    FeedStatus,
    HaltLevel,
    HaltReason,
    OrderType,
    Purpose,
    Side,
    TimeInForce,
    Unknown,
)

# --- market ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimeBar:
    """One five-second bar from the feed."""

    symbol: str
    end_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One closed bar of the configured size; ``complete`` is False when the feed had a hole inside it."""

    symbol: str
    end_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The latest known quote of a symbol; a side that is not known is NaN."""

    symbol: str
    bid: float
    ask: float
    last: float
    bid_size: float
    ask_size: float
    received_monotonic_ns: int

    @property
    def mid(self) -> float:
        """Midpoint; NaN when a side is missing."""
        return (self.bid + self.ask) / 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedChanged:
    """The state of a symbol's feed changed (``symbol`` None: all of them)."""

    symbol: str | None
    status: FeedStatus
    detail: str


# --- orders ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What a strategy wants for a symbol after a bar: a weight in [-1, 1]."""

    strategy: str
    symbol: str
    weight: float
    bar_end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An instruction of ours. ``order_ref`` is unique for ever and travels through the broker.

    ``parent_ref`` attaches a child to its entry (it works only when the entry has filled);
    ``oca_group`` names orders of which a fill of one reduces the others.

    ``method`` is how it is worked (None for a stop); ``algo`` names a strategy of IB's (IBALGO) with its parameters.
    ``peg_offset`` is how far a pegged order betters its peg. From ``until_ns`` on (market time; None: the end of its
    day) the remainder policy decides about the rest. ``root_ref`` is the order that it replaces or goes on with.
    """

    order_ref: str
    strategy: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    purpose: Purpose
    reason: str
    created_ns: int
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_amount: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    parent_ref: str | None = None
    oca_group: str | None = None
    arrival_price: float | None = None
    method: ExecutionMethod | None = None
    algo: str | None = None
    algo_params: tuple[tuple[str, str], ...] = ()
    peg_offset: Decimal | None = None
    until_ns: int | None = None
    root_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStatusReport:
    """The broker's ``orderStatus``: repeats itself, may be missing, may come in any order with executions."""

    order_ref: str | None
    order_id: int
    perm_id: int
    client_id: int
    status: BrokerStatus
    filled: Decimal
    remaining: Decimal
    average_fill_price: float
    why_held: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrderReport:
    """One order that the broker has, from ``openOrder``. ``stop_price`` of a trailing stop is where it stands now."""

    order_ref: str
    order_id: int
    perm_id: int
    client_id: int
    symbol: str
    side: Side
    quantity: Decimal
    order_type: str
    status: BrokerStatus
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_amount: Decimal | None = None
    peg_offset: Decimal | None = None
    algo: str = ""
    algo_params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """The broker's report of a fill. A correction repeats ``base_exec_id`` with another last part."""

    exec_id: str
    order_ref: str
    order_id: int
    perm_id: int
    client_id: int
    account: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    time_ns: int

    @property
    def base_exec_id(self) -> str:
        """Name that it shares with its corrections."""
        return base_exec_id(self.exec_id)

    @property
    def signed_quantity(self) -> Decimal:
        """By how much it moves the position."""
        return self.side.sign * self.quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Commission:
    """What one execution cost, joined to it by ``exec_id``."""

    exec_id: str
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerError:
    """An error or notice from the broker, classed by ``core.ib_wrapper.error_codes``.

    ``request_id`` is an order id, a request id, or -1 for the connection as a whole.
    """

    request_id: int
    code: int
    message: str
    order_ref: str | None = None


# --- account ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountValue:
    """One value of the account (``NetLiquidation``, ``TotalCashValue``, ``GrossPositionValue`` ...)."""

    account: str
    key: str
    value: str
    currency: str
    received_monotonic_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitAndLoss:
    """The broker's running profit and loss of the account (``reqPnL``)."""

    account: str
    daily: float
    unrealized: float
    realized: float
    received_monotonic_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionReport:
    """One position at the broker; ``quantity`` is signed."""

    account: str
    symbol: str
    quantity: Decimal
    average_cost: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSnapshot:
    """What the broker says at one moment. A part that has no answer is an ``Unknown``, never empty."""

    account: str
    requested_monotonic_ns: int
    received_monotonic_ns: int
    positions: tuple[PositionReport, ...] | Unknown
    open_orders: tuple[OpenOrderReport, ...] | Unknown
    executions: tuple[Execution, ...] | Unknown
    values: Mapping[str, Decimal] | Unknown = field(default=Unknown.TIMED_OUT)


# --- control ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionChanged:
    """The broker connection moved to another state. ``data_lost`` asks for subscriptions to be renewed."""

    state: ConnectionState
    reason: str
    data_lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt:
    """Stop at ``level``: from a flag, the watchdog, or the process itself."""

    level: HaltLevel
    reason: HaltReason
    detail: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """A periodic tick from the engine's own clock."""

    name: str
    monotonic_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown:
    """A graceful stop was asked for (SIGINT, SIGTERM, end of a replay)."""

    reason: str


MarketEvent = RealtimeBar | Bar | Quote | FeedChanged
OrderEvent = OrderStatusReport | OpenOrderReport | Execution | Commission | BrokerError
RiskEvent = AccountValue | ProfitAndLoss | PositionReport | BrokerSnapshot
ControlEvent = ConnectionChanged | Halt | Timer | Shutdown
Event = MarketEvent | OrderEvent | RiskEvent | ControlEvent
