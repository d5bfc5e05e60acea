"""Turns plans into orders: names, price rounding, brackets and OCA groups in one place."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

from core.events import Order
from core.vocabulary import OrderType, Purpose, Side, TimeInForce
from execution.methods.selection import Selection
from execution.order_ref import OrderRefSequence
from execution.order_state import OrderState
from execution.plans import EntryPlan, ExitPlan
from execution.protective_stops import PlaceStop
from execution.ticks import PriceGrid


class OrderFactory:
    """Makes orders; sends and remembers nothing but the names it gave out."""

    def __init__(self, refs: OrderRefSequence, grid: PriceGrid) -> None:
        self._refs = refs
        self._grid = grid

    def next_ref(self, purpose: Purpose) -> str:
        """Return a name for an order that is about to be made."""
        return self._refs.next(purpose)

    def bracket(self, plan: EntryPlan, ref: str, selection: Selection) -> tuple[Order, Order]:
        """Make an entry and its protective stop, which the broker activates as the entry fills.

        Parameters
        ----------
        plan
            What to open.
        ref
            Name of the entry.
        selection
            How it is worked.
        """
        how = selection.instruction
        entry = Order(
            order_ref=ref,
            strategy=plan.strategy,
            symbol=plan.symbol,
            side=plan.side,
            quantity=plan.quantity,
            order_type=how.order_type,
            purpose=Purpose.ENTRY,
            reason=plan.reason,
            created_ns=plan.created_ns,
            limit_price=how.limit_price,
            arrival_price=plan.arrival_price,
            method=selection.choice.method,
            algo=how.algo,
            algo_params=how.algo_params,
            peg_offset=how.peg_offset,
            until_ns=how.until_ns,
            root_ref=None if plan.sequel is None else plan.sequel.root_ref,
        )
        trail = None
        if plan.trail_distance is not None:
            trail = self._grid.distance(plan.symbol, plan.arrival_price, plan.trail_distance)
        stop_ref = self._refs.next(Purpose.STOP)
        stop = Order(
            order_ref=stop_ref,
            strategy=plan.strategy,
            symbol=plan.symbol,
            side=plan.side.opposite,
            quantity=plan.quantity,
            order_type=OrderType.STOP if trail is None else OrderType.TRAIL,
            purpose=Purpose.STOP,
            reason=plan.reason,
            created_ns=plan.created_ns,
            stop_price=self._grid.stop(plan.symbol, plan.side.opposite, plan.stop_price),
            trailing_amount=trail,
            time_in_force=TimeInForce.GTC,
            parent_ref=ref,
            oca_group=_group_of(stop_ref),
        )
        return entry, stop

    def exit(self, plan: ExitPlan, stop: OrderState | None, ref: str, selection: Selection) -> Order:
        """Make an exit.

        One that closes the whole position joins the OCA group of the position's stop, so that the broker never
        fills both; a reduction does not (see ``IBExecutor``).
        """
        price, how = plan.arrival_price, selection.instruction
        return Order(
            order_ref=ref,
            strategy=plan.strategy,
            symbol=plan.symbol,
            side=plan.side,
            quantity=plan.quantity,
            order_type=how.order_type,
            purpose=Purpose.EXIT,
            reason=plan.reason,
            created_ns=plan.created_ns,
            limit_price=how.limit_price,
            oca_group=stop.order.oca_group if stop is not None and plan.is_full else None,
            arrival_price=price if math.isfinite(price) else None,
            method=selection.choice.method,
            algo=how.algo,
            algo_params=how.algo_params,
            peg_offset=how.peg_offset,
            until_ns=how.until_ns,
            root_ref=None if plan.sequel is None else plan.sequel.root_ref,
        )

    def as_it_stands(self, stop: OrderState) -> Order:
        """Repeat a working stop's order, with one that trails where it has moved to."""
        order, price = stop.order, stop.trailed_to
        if price is None:
            return order
        return replace(order, stop_price=self._on_grid(order.symbol, order.side, price))

    def _on_grid(self, symbol: str, side: Side, price: Decimal) -> Decimal:
        """Round a price that the broker has told: a stop trails by its distance, and may stand between two ticks."""
        return self._grid.stop(symbol, side, float(price))

    def stop(self, action: PlaceStop, created_ns: int) -> Order:
        """Make a new protective stop for a position that lost its own."""
        ref = self._refs.next(Purpose.STOP)
        return Order(
            order_ref=ref,
            strategy=action.strategy,
            symbol=action.symbol,
            side=action.side,
            quantity=Decimal(action.quantity),
            order_type=OrderType.STOP if action.trailing_amount is None else OrderType.TRAIL,
            purpose=Purpose.STOP,
            reason="the position had no stop",
            created_ns=created_ns,
            stop_price=self._on_grid(action.symbol, action.side, action.stop_price),
            trailing_amount=action.trailing_amount,
            time_in_force=TimeInForce.GTC,
            oca_group=_group_of(ref),
        )


def _group_of(stop_ref: str) -> str:
    return f"OCA-{stop_ref}"
