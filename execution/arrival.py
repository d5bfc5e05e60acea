"""What was known of an order when it was decided, as the journal's ARRIVAL record: the start of its cost's story."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields

from core.events import Order, Quote
from core.vocabulary import ExecutionMethod, OrderType
from execution.methods.situation import two_sided
from execution.plans import Plan
from portfolio.algo_wheel import MethodChoice, OrderContext

_BY_TYPE = {OrderType.LIMIT: ExecutionMethod.LMT}
_CONTEXT_FIELDS = tuple(field.name for field in fields(OrderContext) if field.name != "side")


def arrival_payload(
    plan: Plan,
    order: Order,
    quote: Quote | None,
    *,
    now_monotonic_ns: int,
    choice: MethodChoice | None = None,
    admissible: Sequence[ExecutionMethod] = (),
    parent_order_ref: str | None = None,
) -> dict[str, object]:
    """Make the payload of an ARRIVAL record; what isn't known is None.

    Parameters
    ----------
    plan
        What was asked for.
    order
        The entry or exit that was made of it.
    quote
        Newest quote of the symbol.
    now_monotonic_ns
        For the quote's age.
    choice, admissible
        The method that was chosen, and among which. Without a choice it is the configured order type, for certain.
    parent_order_ref
        Name of the order that this one replaces or is a slice of; None for a parent order itself.
    """
    if choice is None:
        method = _BY_TYPE.get(order.order_type, ExecutionMethod.MKT)
        choice = MethodChoice(method=method, propensity=1.0, why="configured")
    bid, ask = two_sided(quote)
    spread_bps = (ask - bid) / ((ask + bid) / 2.0) * 1e4
    context = {} if plan.context is None else {n: getattr(plan.context, n) for n in _CONTEXT_FIELDS}
    return {
        "order_ref": order.order_ref,
        "parent_order_ref": parent_order_ref,
        "method": str(choice.method),
        "propensity": choice.propensity,
        "why": choice.why,
        "admissible": [str(method) for method in admissible or (choice.method,)],
        "decision_price": _known(plan.arrival_price),
        "bid": _known(bid),
        "ask": _known(ask),
        "quote_age_ms": None if quote is None else (now_monotonic_ns - quote.received_monotonic_ns) / 1e6,
        **{name: _known(context.get(name, math.nan)) for name in _CONTEXT_FIELDS},
        "spread_bps": _known(spread_bps),
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
