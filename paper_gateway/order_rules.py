"""What makes an order acceptable, before margin: pure checks with IB's codes and texts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from core.vocabulary import OrderType, TimeInForce
from data.bar_table import NS_PER_S
from paper_gateway import auctions
from paper_gateway.listing import Listing
from paper_gateway.market import Market
from paper_gateway.methods import Adaptive, Anchor, Pegged, Sliced
from paper_gateway.types import OrderState, OrderTicket
from paper_gateway.working_order import Terms, WorkingOrder

CANT_MODIFY_FILLED = 104
DUPLICATE_ID = 103
MODIFY_MISMATCH = 105
UNKNOWN_ORDER = 135
TICK_SIZE = 110
BAD_TIME_IN_FORCE = 111
AUCTION_NEEDS_DAY = 113
NOT_CANCELLABLE = 161
NO_CONTRACT = 200
REJECTED = 201
CANCELLED = 202
INVALID = 321
UNSUPPORTED_TYPE = 387
ORDER_MESSAGE = 399
UNCHANGEABLE = 440
MISSING_PARENT = 10006
OCA_GROUP_REVISION = 10326
OCA_TYPE_REVISION = 10327
CANCEL_UNKNOWN = 10147
CANCEL_FINISHED = 10148
FRACTIONAL = 10243

Known = TypeVar("Known", OrderType, TimeInForce)

_MOST_SHARES = Decimal(100_000_000)
_NEEDS_LIMIT = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_ON_CLOSE})
_NEEDS_STOP = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_PEGS = {
    OrderType.PEGGED_TO_MIDPOINT: Anchor.MIDPOINT,
    OrderType.MIDPRICE: Anchor.MIDPOINT,
    OrderType.RELATIVE: Anchor.NEAR,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused, as the client will read it."""

    code: int
    message: str


def read_terms(ticket: OrderTicket, listing: Listing | None, account_id: str) -> Terms | Refusal:
    """Check a ticket by itself and read its terms.

    Parameters
    ----------
    ticket
        As the client sent it.
    listing
        Of its symbol; None when it isn't listed.
    account_id
        The only account there is.
    """
    if listing is None:
        return Refusal(NO_CONTRACT, "No security definition has been found for the request")
    refusal = _check_plain_fields(ticket, account_id)
    kind = _known(OrderType, ticket.order_type)
    if refusal is None and kind is None:
        text = "Unsupported order type for this exchange and security type"
        refusal = Refusal(UNSUPPORTED_TYPE, f"{text}: {ticket.order_type!r}")
    if refusal is not None:
        return refusal
    assert kind is not None
    time_in_force = _read_time_in_force(ticket, kind)
    if isinstance(time_in_force, Refusal):
        return time_in_force
    prices, method = _read_prices(ticket, kind, listing.tick), _read_peg(ticket, kind, listing.tick)
    if isinstance(prices, Refusal):
        return prices
    if isinstance(method, Refusal):
        return method
    limit, stop, trail_ticks = prices
    percent = ticket.trailing_percent if kind is OrderType.TRAIL and trail_ticks is None else None
    return Terms(
        kind=kind,
        time_in_force=time_in_force,
        is_buy=ticket.action == "BUY",
        quantity=int(ticket.quantity),
        limit=limit,
        stop=stop,
        trail_ticks=trail_ticks,
        trail_fraction=float(percent) / 100.0 if percent is not None else None,
        method=method,
    )


def _read_time_in_force(ticket: OrderTicket, kind: OrderType) -> TimeInForce | Refusal:
    time_in_force = _known(TimeInForce, ticket.time_in_force)
    if time_in_force is None:
        text = "The TIF (Time in Force) and the order type are incompatible"
        return Refusal(BAD_TIME_IN_FORCE, f"{text}: {ticket.time_in_force} {kind.value}")
    if kind in auctions.AT_CLOSE and time_in_force is not TimeInForce.DAY:
        return Refusal(AUCTION_NEEDS_DAY, "The TIF should be set to DAY for MOC and LOC orders")
    return time_in_force


def check_modification(order: WorkingOrder, terms: Terms, ticket: OrderTicket) -> Refusal | None:
    """Whether ``order`` may be changed to ``terms``: same symbol, side and links, not fewer shares than filled."""
    if ticket.symbol != order.symbol or terms.is_buy != order.is_buy or ticket.what_if:
        return Refusal(MODIFY_MISMATCH, "Order being modified does not match original order")
    refusal = _check_links(order, ticket)
    if refusal is not None:
        return refusal
    if terms.quantity <= order.filled:
        return Refusal(
            REJECTED,
            f"Order rejected - reason:{order.filled} shares are filled; the new size must exceed that",
        )
    if isinstance(order.method, Adaptive | Sliced) and (
        ticket.algo_strategy != order.ticket.algo_strategy or ticket.algo_params != order.ticket.algo_params
    ):
        return Refusal(UNCHANGEABLE, "Order modify failed. Algorithm cannot be modified.")
    if order.elected and (terms.kind is not order.kind or terms.stop != order.terms.stop):
        return Refusal(REJECTED, "Order rejected - reason:the stop has been elected and can't be changed")
    return None


def _check_links(order: WorkingOrder, ticket: OrderTicket) -> Refusal | None:
    """Whether a modification leaves parent and group alone; a parent that has ended can't be named any more."""
    parent = order.parent
    if ticket.parent_id and parent is not None and parent.state.is_done:
        return Refusal(UNKNOWN_ORDER, f"Can't find order with id ={ticket.parent_id}")
    if ticket.parent_id != (order.ticket.parent_id if parent is not None and not parent.state.is_done else 0):
        return Refusal(MODIFY_MISMATCH, "Order being modified does not match original order: parent id")
    if ticket.oca_group != order.ticket.oca_group:
        return Refusal(OCA_GROUP_REVISION, "OCA group revision is not allowed")
    if ticket.oca_group and ticket.oca_type != order.ticket.oca_type:
        return Refusal(OCA_TYPE_REVISION, "OCA type revision is not allowed")
    return None


def reuse_refusal(existing: WorkingOrder | None) -> Refusal:
    """Why an order id that was used can't be used again; None: its order was completed long ago."""
    if existing is not None and existing.state is OrderState.FILLED:
        return Refusal(CANT_MODIFY_FILLED, "Can't modify a filled order.")
    return Refusal(DUPLICATE_ID, "Duplicate order ID.")


def cancel_refusal(order: WorkingOrder | None, order_id: int) -> Refusal:
    """Why an order that isn't live can't be cancelled."""
    text = f"OrderId {order_id} that needs to be cancelled"
    if order is None:
        return Refusal(CANCEL_UNKNOWN, f"{text} is not found.")
    return Refusal(CANCEL_FINISHED, f"{text} cannot be cancelled, state: {order.state.value}.")


def check_auction(kind: OrderType, market: Market, symbol: str) -> Refusal | None:
    """Whether an order of ``kind`` comes in time for the close of the open session."""
    if not auctions.is_too_late(kind, market, symbol):
        return None
    return Refusal(REJECTED, f"Order rejected - reason:{kind.value} comes too late for this close")


def check_locked_in(order: WorkingOrder, market: Market) -> Refusal | None:
    """Whether an order for the close may still be cancelled or changed."""
    if not auctions.is_locked_in(order.kind, market, order.symbol):
        return None
    text = "Cancel attempted when order is not in a cancellable state.  Order permId ="
    return Refusal(NOT_CANCELLABLE, f"{text}{order.perm_id}")


def waiting_message(ticket: OrderTicket, market: Market) -> Refusal:
    """Warning that an order waits for the next session."""
    session = market.next_session
    when = "the next session"
    if session is not None:
        opens = datetime.fromtimestamp(session.open_ns // NS_PER_S, market.calendar.timezone)
        when = f"{opens:%Y-%m-%d %H:%M:%S} US/Eastern"
    return Refusal(
        ORDER_MESSAGE,
        f"Order Message:\n{ticket.action} {ticket.quantity} {ticket.symbol}\n"
        f"Warning: your order will not be placed at the exchange until {when}",
    )


def _known(kind: type[Known], text: str) -> Known | None:
    try:
        return kind(text)
    except ValueError:
        return None


def _check_plain_fields(ticket: OrderTicket, account_id: str) -> Refusal | None:
    cause = ""
    if ticket.action not in {"BUY", "SELL"}:
        cause = f"Invalid side: {ticket.action!r}"
    elif not ticket.quantity.is_finite() or ticket.quantity <= 0 or ticket.quantity > _MOST_SHARES:
        cause = f"Invalid order size: {ticket.quantity}"
    elif ticket.account not in {"", account_id}:
        cause = f"Invalid account code {ticket.account!r}"
    if cause:
        return Refusal(INVALID, f"Error validating request:-'place' : cause - {cause}")
    if ticket.quantity != ticket.quantity.to_integral_value():
        return Refusal(FRACTIONAL, "Fractional-sized order cannot be placed via API")
    return None


def _read_prices(
    ticket: OrderTicket, kind: OrderType, tick: Decimal
) -> tuple[int | None, int | None, int | None] | Refusal:
    """Read limit, stop and trailing amount in ticks, each as far as the type has it."""
    limit: int | Refusal | None = None
    stop: int | Refusal | None = None
    amount: int | Refusal | None = None
    if kind in _NEEDS_LIMIT:
        limit = _ticks(ticket.limit_price, tick, "limit price")
    elif kind in _PEGS and ticket.limit_price:
        limit = _ticks(ticket.limit_price, tick, "limit price")  # a cap; none without it
    if kind in _NEEDS_STOP:
        stop = _ticks(ticket.aux_price, tick, "stop price")
    if kind is OrderType.TRAIL:
        has_percent = ticket.trailing_percent is not None and ticket.trailing_percent > 0
        if not has_percent:
            amount = _ticks(ticket.aux_price, tick, "trailing amount")
        elif not 0 < (ticket.trailing_percent or 0) < 100:
            amount = Refusal(INVALID, "Error validating request:-'place' : cause - Invalid trailing percent")
        if ticket.trail_stop_price is not None and ticket.trail_stop_price > 0:
            stop = _ticks(ticket.trail_stop_price, tick, "trailing stop price")
    for value in (limit, stop, amount):
        if isinstance(value, Refusal):
            return value
    assert not isinstance(limit, Refusal)
    assert not isinstance(stop, Refusal)
    assert not isinstance(amount, Refusal)
    return limit, stop, amount


def _read_peg(ticket: OrderTicket, kind: OrderType, tick: Decimal) -> Pegged | Refusal | None:
    """Read what a pegged order follows, and at which distance.

    TWS's offset makes a REL order more aggressive than the near side, and a PEG MID order less aggressive than the
    midpoint; MIDPRICE has none.
    """
    anchor = _PEGS.get(kind)
    if anchor is None:
        return None
    amount, fraction = ticket.aux_price, ticket.percent_offset
    if kind is OrderType.MIDPRICE or not (amount or fraction):
        return Pegged(anchor=anchor)
    if not amount and fraction and fraction.is_finite() and 0 < fraction < 1 and anchor is Anchor.NEAR:
        return Pegged(anchor=anchor, offset_fraction=float(fraction))
    offset = _ticks(amount, tick, "offset")
    if isinstance(offset, Refusal):
        return offset
    return Pegged(anchor=anchor, offset=offset if anchor is Anchor.NEAR else -offset)


def _ticks(price: Decimal | None, tick: Decimal, name: str) -> int | Refusal:
    if price is None or not price.is_finite() or price <= 0 or price > 10_000_000:
        return Refusal(INVALID, f"Error validating request:-'place' : cause - Invalid {name}: {price}")
    ticks = price / tick
    if ticks != ticks.to_integral_value():
        return Refusal(
            TICK_SIZE, "The price does not conform to the minimum price variation for this contract."
        )
    return int(ticks)
