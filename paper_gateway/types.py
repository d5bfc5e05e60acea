"""Messages between the gateway's protocol side (``session``, ``server``) and its market side (``brokerage``).

The protocol side decodes a client's bytes into these, calls the brokerage, and encodes what comes back. The
brokerage knows no sockets and no client protocol; it returns events, in the order in which a client must see them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum, auto


class OrderState(StrEnum):
    """Visible state of an order, spelled as TWS spells it."""

    PENDING_SUBMIT = "PendingSubmit"
    PRE_SUBMITTED = "PreSubmitted"
    SUBMITTED = "Submitted"
    PENDING_CANCEL = "PendingCancel"
    API_CANCELLED = "ApiCancelled"
    CANCELLED = "Cancelled"
    FILLED = "Filled"
    INACTIVE = "Inactive"

    @property
    def is_done(self) -> bool:
        """Whether no further fill can follow in this simulation."""
        return self in {
            OrderState.CANCELLED,
            OrderState.API_CANCELLED,
            OrderState.FILLED,
            OrderState.INACTIVE,
        }


class Held(Enum):
    """Why an order that was taken doesn't go on."""

    PENDING_SUBMIT = auto()
    LOCATE = auto()
    HALT = auto()

    @property
    def state(self) -> OrderState:
        """State that clients see."""
        return OrderState.PENDING_SUBMIT if self is Held.PENDING_SUBMIT else OrderState.PRE_SUBMITTED

    @property
    def why(self) -> str:
        """TWS's word for it in orderStatus."""
        return "locate" if self is Held.LOCATE else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A stock that the gateway lists."""

    symbol: str
    con_id: int
    long_name: str
    primary_exchange: str
    min_tick: Decimal = Decimal("0.01")
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTicket:
    """An order as a client placed it. ``raw`` keeps every field that the client sent, to be echoed in openOrder."""

    client_id: int
    order_id: int
    symbol: str
    action: str  # BUY, SELL (SSHORT is read as SELL)
    quantity: Decimal
    order_type: str
    time_in_force: str = "DAY"
    limit_price: Decimal | None = None
    aux_price: Decimal | None = None  # stop price of STP and STP LMT, amount of TRAIL
    trail_stop_price: Decimal | None = None
    trailing_percent: Decimal | None = None
    percent_offset: Decimal | None = None  # of REL, instead of its amount
    algo_strategy: str = ""
    algo_params: tuple[tuple[str, str], ...] = ()
    parent_id: int = 0
    oca_group: str = ""
    oca_type: int = 0  # 1: a fill cancels the others; 2, 3: reduces them by the filled quantity
    transmit: bool = True
    outside_rth: bool = False
    what_if: bool = False
    order_ref: str = ""
    account: str = ""
    raw: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginImpact:
    """What a what-if order would do to margin and equity, and what it would cost."""

    initial_before: Decimal
    initial_after: Decimal
    maintenance_before: Decimal
    maintenance_after: Decimal
    equity_before: Decimal
    equity_after: Decimal
    commission: Decimal
    currency: str = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An order as the brokerage holds it now.

    ``ticket`` holds the order's present terms: a quantity that an OCA group or a parent's end reduced, the trailing
    stop where it stands now; ``ticket.raw`` is as the client sent it. ``margin`` is given in the answer to a what-if
    order alone, which never becomes an order: send openOrder and no orderStatus.
    """

    ticket: OrderTicket
    perm_id: int
    state: OrderState
    filled: Decimal
    remaining: Decimal
    average_fill_price: Decimal
    last_fill_price: Decimal
    why_held: str = ""
    warning: str = ""
    margin: MarginImpact | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionView:
    """One execution (a partial fill is one of several)."""

    exec_id: str
    client_id: int
    order_id: int
    perm_id: int
    order_ref: str
    account: str
    symbol: str
    side: str  # BOT, SLD
    quantity: Decimal
    price: Decimal
    cumulative_quantity: Decimal
    average_price: Decimal
    exchange: str
    time_ns: int  # market clock
    liquidation: int = 0
    last_liquidity: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissionView:
    """Cost of one execution; ``realized_pnl`` is None when the execution opened or added."""

    exec_id: str
    amount: Decimal
    currency: str
    realized_pnl: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionView:
    """One position, marked at the last price."""

    symbol: str
    quantity: Decimal
    average_cost: Decimal
    market_price: Decimal
    market_value: Decimal
    unrealized_pnl: Decimal
    realized_pnl: Decimal


# --- what the brokerage returns --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChanged:
    """Send openOrder (when ``announce``) and orderStatus to those who may see the order."""

    order: OrderView
    announce: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Executed:
    """Send execDetails to those who may see the order."""

    execution: ExecutionView


@dataclass(frozen=True, slots=True, kw_only=True)
class CommissionCharged:
    """Send commissionReport to those who saw the execution."""

    client_id: int
    commission: CommissionView


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionChanged:
    """Send position and portfolio updates to subscribers."""

    position: PositionView


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFailed:
    """Send errMsg to one client; ``request_id`` is the order id."""

    client_id: int
    request_id: int
    code: int
    message: str


BrokerageEvent = OrderChanged | Executed | CommissionCharged | PositionChanged | RequestFailed


# --- the market ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class BarView:
    """A bar of any size. ``start_ns`` is its opening time, as TWS stamps bars."""

    symbol: str
    start_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    wap: float
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteView:
    """Top of the simulated book, with the day's figures so far."""

    symbol: str
    time_ns: int
    bid: Decimal
    ask: Decimal
    last: Decimal
    bid_size: int
    ask_size: int
    last_size: int
    day_open: Decimal
    day_high: Decimal
    day_low: Decimal
    day_volume: int
    previous_close: Decimal
    halted: bool = False
