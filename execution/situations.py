"""A plan as the execution methods see it."""

from __future__ import annotations

import math

from core.events import Quote
from core.vocabulary import Purpose
from execution.methods.situation import Situation, two_sided
from execution.plans import EntryPlan, Plan
from execution.pretrade import reference_price


def situation_of(plan: Plan, quote: Quote | None, exchange: str) -> Situation:
    """Put together what is known of a plan, its symbol's newest quote and the exchange that lists it."""
    bid, ask = two_sided(quote)
    market = reference_price(quote)
    return Situation(
        symbol=plan.symbol,
        side=plan.side,
        quantity=plan.quantity,
        purpose=Purpose.ENTRY if isinstance(plan, EntryPlan) else Purpose.EXIT,
        reference=market if math.isfinite(market) else plan.arrival_price,
        bid=bid,
        ask=ask,
        now_ns=plan.created_ns,
        session=plan.session,
        exchange=exchange,
        is_whole=isinstance(plan, EntryPlan) or plan.is_full,
        is_short_restricted=isinstance(plan, EntryPlan) and plan.is_short_restricted,
        context=plan.context,
    )
