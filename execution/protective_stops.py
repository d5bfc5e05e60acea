"""Keeps each position covered by exactly one stop of its size: a pure plan over the book.

At the broker a stop is attached to its entry, so it exists before the position does. What is left to us are the cases
in which the two came apart: an entry that ended after a part of it filled, a stop that the broker cancelled together
with its entry, a stop that outlived its position, a reduction that failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from core.vocabulary import Purpose, Side
from execution.order_book import OrderBook
from execution.order_state import ZERO, OrderPhase, OrderState

PositionKey = tuple[str, str]
"""Strategy and symbol."""


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """End an order that would act without a position."""

    order_ref: str
    reason: str


@dataclass(frozen=True, slots=True)
class AmendStop:
    """Give a working stop another total quantity (what it has filled included)."""

    order_ref: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class PlaceStop:
    """Cover a bare position with a new stop, of the kind and at the price of its former one."""

    strategy: str
    symbol: str
    side: Side
    quantity: Decimal
    stop_price: Decimal
    trailing_amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Unprotected:
    """A position that no stop covers and for which no stop price is known."""

    strategy: str
    symbol: str
    quantity: Decimal


StopAction = CancelOrder | AmendStop | PlaceStop | Unprotected


def plan_protection(positions: Mapping[PositionKey, Decimal], book: OrderBook) -> tuple[StopAction, ...]:
    """Actions that make the stops fit ``positions`` (signed, booked); empty when they do.

    Nothing is planned for a position whose size is still moving: an entry pending, a fill that is unbooked, a stop
    being cancelled or not yet acknowledged. Applying the plan and planning again gives nothing.
    """
    keys = {key for key, position in positions.items() if position}
    keys |= {(state.order.strategy, state.order.symbol) for state in book.pending()}
    actions: list[StopAction] = []
    for strategy, symbol in sorted(keys):
        pending = book.pending(strategy=strategy, symbol=symbol)
        if not _moving(pending):
            position = positions.get((strategy, symbol), ZERO)
            actions += _for_position(strategy, symbol, position, pending, book)
    return tuple(actions)


def _moving(pending: Iterable[OrderState]) -> bool:
    return any(
        state.unbooked
        or state.order.purpose is Purpose.ENTRY
        or (state.order.purpose is Purpose.STOP and state.phase is not OrderPhase.WORKING)
        for state in pending
    )


def _for_position(
    strategy: str, symbol: str, position: Decimal, pending: tuple[OrderState, ...], book: OrderBook
) -> list[StopAction]:
    stops = [state for state in pending if state.order.purpose is Purpose.STOP]
    exits = [state for state in pending if state.order.purpose in {Purpose.EXIT, Purpose.FLATTEN}]
    reducing = Side.SELL if position > 0 else Side.BUY
    useless = [state for state in (*stops, *exits) if not position or state.order.side is not reducing]
    if useless:  # first these must be gone; what is missing then is planned afterwards
        reason = "there is no position for it"
        return [CancelOrder(s.order_ref, reason) for s in useless if s.phase is not OrderPhase.CANCELLING]
    groups = {state.order.oca_group for state in stops} - {None}
    if any(state.order.oca_group in groups for state in exits):
        return []  # the broker keeps the exit and the stop in step
    needed = abs(position) - sum((state.open_quantity for state in exits), ZERO)
    if needed <= 0:
        return []
    if stops:
        return _fit(stops, needed)
    return [_new_stop(strategy, symbol, reducing, needed, book.last_stop(strategy, symbol))]


def _fit(stops: list[OrderState], needed: Decimal) -> list[StopAction]:
    newest, older = stops[-1], stops[:-1]
    actions: list[StopAction] = [CancelOrder(s.order_ref, "another stop covers the position") for s in older]
    if newest.open_quantity != needed:
        actions.append(AmendStop(newest.order_ref, newest.filled + needed))
    return actions


def _new_stop(
    strategy: str, symbol: str, side: Side, needed: Decimal, former: OrderState | None
) -> PlaceStop | Unprotected:
    if former is None or former.order.side is not side or former.stop_price is None:
        return Unprotected(strategy, symbol, needed)
    return PlaceStop(strategy, symbol, side, needed, former.stop_price, former.order.trailing_amount)
