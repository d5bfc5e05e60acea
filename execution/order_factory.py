"""Turns plans into orders: names, price rounding, brackets and OCA groups in one place."""

from __future__ import annotations

import math
from decimal import Decimal

from core.config_schema import ExecutionSettings
from core.events import Order
from core.vocabulary import OrderType, Purpose, TimeInForce
from execution.order_ref import OrderRefSequence
from execution.order_state import OrderState
from execution.plans import EntryPlan, ExitPlan
from execution.protective_stops import PlaceStop
from execution.ticks import PriceGrid


class OrderFactory:
    """Makes orders; sends and remembers nothing but the names it gave out."""

    def __init__(self, refs: OrderRefSequence, grid: PriceGrid, settings: ExecutionSettings) -> None:
        self._refs = refs
        self._grid = grid
        self._settings = settings

    def bracket(self, plan: EntryPlan, reference: float) -> tuple[Order, Order]:
        """Make an entry and its protective stop, which the broker activates as the entry fills.

        Parameters
        ----------
        plan
            What to open.
        reference
            Price of the market now, from which a limit entry is offset; not finite for none.
        """
        ref = self._refs.next(Purpose.ENTRY)
        limit = None
        if self._settings.entry_order_type == "LMT":
            price = reference if math.isfinite(reference) else plan.arrival_price
            price *= 1.0 + plan.side.sign * self._settings.limit_offset_bps / 1e4
            limit = self._grid.limit(plan.symbol, plan.side, price)
        entry = Order(
            order_ref=ref,
            strategy=plan.strategy,
            symbol=plan.symbol,
            side=plan.side,
            quantity=plan.quantity,
            order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            purpose=Purpose.ENTRY,
            reason=plan.reason,
            created_ns=plan.created_ns,
            limit_price=limit,
            arrival_price=plan.arrival_price,
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

    def exit(self, plan: ExitPlan, stop: OrderState | None) -> Order:
        """Make a market exit.

        One that closes the whole position joins the OCA group of the position's stop, so that the broker never
        fills both; a reduction does not (see ``IBExecutor``).
        """
        price = plan.arrival_price
        return Order(
            order_ref=self._refs.next(Purpose.EXIT),
            strategy=plan.strategy,
            symbol=plan.symbol,
            side=plan.side,
            quantity=plan.quantity,
            order_type=OrderType.MARKET,
            purpose=Purpose.EXIT,
            reason=plan.reason,
            created_ns=plan.created_ns,
            oca_group=stop.order.oca_group if stop is not None and plan.is_full else None,
            arrival_price=price if math.isfinite(price) else None,
        )

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
            stop_price=action.stop_price,
            trailing_amount=action.trailing_amount,
            time_in_force=TimeInForce.GTC,
            oca_group=_group_of(ref),
        )


def _group_of(stop_ref: str) -> str:
    return f"OCA-{stop_ref}"
