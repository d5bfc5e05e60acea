"""State of one order of ours, as a transition table over what the broker may say in any order.

Two rules hold whatever arrives, and however often:

- the *phase* follows :data:`TRANSITIONS`; a signal that is not in the row of the present phase is late or
  repeated and changes nothing;
- *fills* are booked whatever the phase is, once per execution. A fill after ``Cancelled`` is a fill.

Statuses and executions travel separately. When a status already reports more than the executions that have
arrived, the difference is *unbooked*: the order may have ended, but the position isn't certain yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from core.events import Execution, Order
from core.exec_ids import correction_number
from core.vocabulary import BrokerStatus

ZERO = Decimal(0)


class OrderPhase(StrEnum):
    """Where an order is in its life."""

    INTENDED = "intended"
    """in the journal; whether it reached the broker isn't known"""
    SENT = "sent"
    """handed to the socket, not acknowledged"""
    WORKING = "working"
    CANCELLING = "cancelling"
    """we asked for its end, and the broker hasn't confirmed"""
    INACTIVE = "inactive"
    """the broker has it and does not work it; it may come back to life"""
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    """known never to have left"""
    GONE = "gone"
    """asked twice, and the broker has neither the order nor its rest; reported, never resent"""

    @property
    def is_live(self) -> bool:
        """Whether a fill is still to be reckoned with."""
        return self in _LIVE


class OrderSignal(StrEnum):
    """What moves an order from phase to phase."""

    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    CANCEL_ASKED = "cancel_asked"
    CANCELLED = "cancelled"
    INACTIVE = "inactive"
    FILLED = "filled"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    GONE = "gone"


_P, _S = OrderPhase, OrderSignal
_LIVE = frozenset({_P.INTENDED, _P.SENT, _P.WORKING, _P.CANCELLING, _P.INACTIVE})
_ENDS = {
    _S.CANCELLED: _P.CANCELLED,
    _S.FILLED: _P.FILLED,
    _S.REJECTED: _P.REJECTED,
    _S.GONE: _P.GONE,
}
# An order that we believed never to have arrived, and which the broker turns out to have.
_SURFACES = {
    _S.ACKNOWLEDGED: _P.WORKING,
    _S.INACTIVE: _P.INACTIVE,
    _S.CANCELLED: _P.CANCELLED,
    _S.FILLED: _P.FILLED,
}

TRANSITIONS: Mapping[OrderPhase, Mapping[OrderSignal, OrderPhase]] = {
    _P.INTENDED: {
        **_ENDS,
        _S.SENT: _P.SENT,
        _S.ACKNOWLEDGED: _P.WORKING,
        _S.CANCEL_ASKED: _P.CANCELLING,
        _S.INACTIVE: _P.INACTIVE,
        _S.NOT_SENT: _P.NOT_SENT,
    },
    _P.SENT: {
        **_ENDS,
        _S.ACKNOWLEDGED: _P.WORKING,
        _S.CANCEL_ASKED: _P.CANCELLING,
        _S.INACTIVE: _P.INACTIVE,
    },
    _P.WORKING: {**_ENDS, _S.CANCEL_ASKED: _P.CANCELLING, _S.INACTIVE: _P.INACTIVE},
    # A "Submitted" that crossed our cancel on the wire is old news.
    _P.CANCELLING: {**_ENDS},
    _P.INACTIVE: {**_ENDS, _S.ACKNOWLEDGED: _P.WORKING, _S.CANCEL_ASKED: _P.CANCELLING},
    # The last fill and the cancel confirmation may overtake each other.
    _P.CANCELLED: {_S.FILLED: _P.FILLED},
    _P.REJECTED: {_S.FILLED: _P.FILLED},
    _P.NOT_SENT: _SURFACES,
    _P.GONE: _SURFACES,
    _P.FILLED: {},
}

_SIGNAL_OF_STATUS: Mapping[BrokerStatus, OrderSignal] = {
    BrokerStatus.PRE_SUBMITTED: _S.ACKNOWLEDGED,
    BrokerStatus.SUBMITTED: _S.ACKNOWLEDGED,
    BrokerStatus.PENDING_CANCEL: _S.CANCEL_ASKED,
    BrokerStatus.API_CANCELLED: _S.CANCELLED,
    BrokerStatus.CANCELLED: _S.CANCELLED,
    BrokerStatus.FILLED: _S.FILLED,
    BrokerStatus.INACTIVE: _S.INACTIVE,
    # PendingSubmit says only that the gateway has it: still unacknowledged. Unknown says nothing.
}


def signal_of(status: BrokerStatus) -> OrderSignal | None:
    """Signal of a broker status; None when the status moves nothing."""
    return _SIGNAL_OF_STATUS.get(status)


@dataclass(frozen=True, slots=True)
class BookedFill:
    """One execution as booked; ``revision`` counts its corrections."""

    revision: int
    quantity: Decimal
    price: Decimal


class FillOutcome(StrEnum):
    """What an execution report meant for the book."""

    NEW = "new"
    CORRECTION = "correction"
    DUPLICATE = "duplicate"
    """already booked, or an older revision of what is booked"""
    FOREIGN = "foreign"
    """of no order of ours"""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderState:
    """An order and all that is known of it.

    ``order.quantity`` is the latest quantity that we asked for (a protective stop is amended to follow its
    position).
    """

    order: Order
    order_id: int
    phase: OrderPhase = OrderPhase.INTENDED
    perm_id: int = 0
    acknowledged: bool = False
    reported_filled: Decimal = ZERO
    reported_remaining: Decimal | None = None
    amendments: int = 0
    detail: str = ""
    trailed_to: Decimal | None = None
    """Nearest price to the market at which a trailing stop is known to have stood."""
    fills: Mapping[str, BookedFill] = field(default_factory=dict)

    @property
    def order_ref(self) -> str:
        """Name of the order."""
        return self.order.order_ref

    @property
    def is_live(self) -> bool:
        """Whether a fill is still to be reckoned with."""
        return self.phase.is_live

    @property
    def stop_price(self) -> Decimal | None:
        """Stop price: of a trailing stop as far as it is known to have moved. None of an order that is no stop."""
        return self.order.stop_price if self.trailed_to is None else self.trailed_to

    @property
    def filled(self) -> Decimal:
        """Booked quantity: the sum of the executions, each in its latest correction."""
        return sum((fill.quantity for fill in self.fills.values()), ZERO)

    @property
    def average_price(self) -> Decimal | None:
        """Average price of the booked fills; None without any."""
        filled = self.filled
        if not filled:
            return None
        return sum((fill.quantity * fill.price for fill in self.fills.values()), ZERO) / filled

    @property
    def unbooked(self) -> Decimal:
        """Filled by the broker's status, while the execution is still on its way."""
        return max(ZERO, self.reported_filled - self.filled)

    @property
    def open_quantity(self) -> Decimal:
        """Quantity that may still change the position: what works, and what is filled but unbooked.

        A broker reduces a member of an OCA group by itself, so its reported rest counts when it is smaller.
        """
        if not self.is_live:
            return self.unbooked
        rest = max(ZERO, self.order.quantity - self.filled)
        if self.reported_remaining is None:
            return rest
        return min(rest, self.reported_remaining + self.unbooked)

    @property
    def overfilled(self) -> bool:
        """Whether the broker filled more than was ever asked: a break, reported by the manager."""
        return self.filled > self.order.quantity


def moved(state: OrderState, signal: OrderSignal, detail: str = "") -> OrderState:
    """Return ``state`` after ``signal``; the same object when the signal is late or repeated."""
    phase = TRANSITIONS[state.phase].get(signal)
    acknowledged = state.acknowledged or signal in _FROM_THE_BROKER
    if phase is None and acknowledged == state.acknowledged:
        return state
    return replace(
        state, phase=phase or state.phase, acknowledged=acknowledged, detail=detail or state.detail
    )


_FROM_THE_BROKER = frozenset({_S.ACKNOWLEDGED, _S.CANCELLED, _S.INACTIVE, _S.FILLED, _S.REJECTED})


def with_report(
    state: OrderState,
    status: BrokerStatus,
    *,
    perm_id: int = 0,
    filled: Decimal | None = None,
    remaining: Decimal | None = None,
    quantity: Decimal | None = None,
) -> OrderState:
    """Return ``state`` after a broker status.

    An ``orderStatus`` has ``filled`` and ``remaining``, an ``openOrder`` has ``quantity``. A quantity other than ours
    is the broker's truth: an amendment of ours was refused, or a human changed the order.
    """
    result = state
    if quantity is not None and quantity > 0 and quantity != state.order.quantity:
        result = replace(result, order=replace(state.order, quantity=quantity), reported_remaining=None)
    if perm_id and not state.perm_id:
        result = replace(result, perm_id=perm_id)
    if filled is not None and remaining is not None:
        result = _with_figures(result, filled, remaining)
    signal = signal_of(status)
    return result if signal is None else moved(result, signal)


def _with_figures(state: OrderState, filled: Decimal, remaining: Decimal) -> OrderState:
    # Reports overtake each other: the filled quantity only grows, and with the same one the rest only falls.
    known = state.reported_remaining
    if filled < state.reported_filled:
        return state
    if filled == state.reported_filled and known is not None and remaining >= known:
        return state
    return replace(state, reported_filled=filled, reported_remaining=remaining)


def with_execution(state: OrderState, execution: Execution) -> tuple[OrderState, FillOutcome]:
    """Book one execution: once, and in its latest correction."""
    base, revision = execution.base_exec_id, correction_number(execution.exec_id)
    known = state.fills.get(base)
    if known is not None and revision <= known.revision:
        return state, FillOutcome.DUPLICATE
    fill = BookedFill(revision, execution.quantity, execution.price)
    result = replace(
        state,
        fills={**state.fills, base: fill},
        perm_id=state.perm_id or execution.perm_id,
        acknowledged=True,
    )
    if result.filled >= result.order.quantity:
        result = moved(result, OrderSignal.FILLED)
    return result, FillOutcome.NEW if known is None else FillOutcome.CORRECTION


def trailed(state: OrderState, stop_price: Decimal, trailing_amount: Decimal | None) -> OrderState:
    """Return ``state`` with a trailing stop at ``stop_price``; the same object when it is known to have been nearer.

    Another distance than ours means that the broker has other terms of the order, by a split or a human's hand: they
    are taken as they are.
    """
    order = state.order
    if trailing_amount is not None and trailing_amount != order.trailing_amount:
        return replace(state, order=replace(order, trailing_amount=trailing_amount), trailed_to=stop_price)
    known = state.stop_price
    if known is not None and (stop_price - known) * order.side.sign >= 0:
        return state
    return replace(state, trailed_to=stop_price)


def amended(state: OrderState, order: Order) -> OrderState:
    """Return ``state`` after a request to change the order's quantity or prices."""
    return replace(state, order=order, amendments=state.amendments + 1, reported_remaining=None)
