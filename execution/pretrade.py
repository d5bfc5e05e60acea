"""Pre-trade checks: pure functions over an order and what is known when it is about to be journaled.

A denial is a value. An entry passes every check. An exit passes only those that keep it an exit: it must be able to
leave when prices are stale, limits are reached and the rate is spent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from core.config_schema import PretradeSettings
from core.events import Order, Quote
from core.reasons import Reason
from core.vocabulary import Purpose, Side
from execution.order_state import OrderPhase, OrderState


@dataclass(frozen=True, slots=True, kw_only=True)
class PretradeContext:
    """An order that is about to be journaled, and what the checks hold it against.

    ``position`` is the booked, signed position of the order's strategy in its symbol; ``pending`` holds every order
    of ours in the symbol that may still fill; ``stop_price`` is the protective stop of an entry.
    """

    order: Order
    settings: PretradeSettings
    symbols: frozenset[str]
    position: Decimal
    quote: Quote | None
    now_monotonic_ns: int
    pending: Sequence[OrderState]
    orders_last_minute: int
    repeats: int
    stop_price: Decimal | None = None


Verdict = tuple[Reason, str]
Check = Callable[[PretradeContext], Verdict | None]


def reference_price(quote: Quote | None) -> float:
    """Price to hold an order against: the midpoint, or the last price; NaN when neither makes sense."""
    if quote is None:
        return math.nan
    sides_known = math.isfinite(quote.bid) and math.isfinite(quote.ask)
    if sides_known and 0 < quote.bid <= quote.ask:
        return quote.mid
    if sides_known and quote.bid > quote.ask:  # a crossed book can't be trusted at all
        return math.nan
    return quote.last if math.isfinite(quote.last) and quote.last > 0 else math.nan


def symbol_allowed(context: PretradeContext) -> Verdict | None:
    """Deny an entry outside the universe."""
    order = context.order
    if order.symbol in context.symbols:
        return None
    return Reason.SYMBOL_NOT_ALLOWED, f"{order.symbol} is not in the universe"


def whole_quantity(context: PretradeContext) -> Verdict | None:
    """Deny a quantity that is not a positive whole number of shares."""
    order = context.order
    quantity = order.quantity
    if quantity.is_finite() and quantity > 0 and quantity == quantity.to_integral_value():
        return None
    return Reason.BAD_QUANTITY, f"{quantity} is not a positive whole number of shares"


def within_position(context: PretradeContext) -> Verdict | None:
    """Deny an exit that is larger than the position or on its side."""
    order = context.order
    if order.side.sign * context.position < 0 and order.quantity <= abs(context.position):
        return None
    return (
        Reason.BAD_QUANTITY,
        f"{order.side} {order.quantity} does not reduce a position of {context.position}",
    )


def max_quantity(context: PretradeContext) -> Verdict | None:
    """Deny too many shares in one order."""
    order = context.order
    limit = context.settings.max_order_quantity
    return None if order.quantity <= limit else (Reason.MAX_QUANTITY, f"{order.quantity} > {limit}")


def fresh_price(context: PretradeContext) -> Verdict | None:
    """Deny an entry without a usable quote that is young enough."""
    if context.quote is None or math.isnan(reference_price(context.quote)):
        return Reason.STALE_PRICE, "no usable quote"
    age_s = (context.now_monotonic_ns - context.quote.received_monotonic_ns) / 1e9
    limit = context.settings.quote_max_age_s
    return (
        None
        if age_s <= limit
        else (Reason.STALE_PRICE, f"the quote is {age_s:.1f} s old (at most {limit:g} s)")
    )


def price_collar(context: PretradeContext) -> Verdict | None:
    """Deny a decision or limit price far from the market's.

    This is what stops an order that was sized on a bad tick: the price it was decided on and the quote must agree.
    """
    order = context.order
    reference, collar = reference_price(context.quote), context.settings.price_collar
    named = (("arrival price", order.arrival_price), ("limit price", order.limit_price))
    for name, price in named:
        if price is not None and not abs(float(price) / reference - 1.0) <= collar:
            return Reason.PRICE_COLLAR, f"{name} {price} is beyond {collar:.1%} of the market's {reference:g}"
    if order.arrival_price is None and order.limit_price is None:
        return Reason.PRICE_COLLAR, "the order names no price to hold against the market's"
    return None


def stop_protects(context: PretradeContext) -> Verdict | None:
    """Deny an entry without a protective stop, or with one that would trigger at once."""
    order = context.order
    stop, reference = context.stop_price, reference_price(context.quote)
    if stop is None or not stop.is_finite() or stop <= 0:
        return Reason.PRICE_COLLAR, f"an entry needs a protective stop above zero, not {stop}"
    protects = float(stop) < reference if order.side is Side.BUY else float(stop) > reference
    if protects:
        return None
    return Reason.PRICE_COLLAR, f"a stop at {stop} would trigger at once (market {reference:g})"


def max_notional(context: PretradeContext) -> Verdict | None:
    """Deny too large a value in one order."""
    order = context.order
    notional = float(order.quantity) * reference_price(context.quote)
    limit = context.settings.max_order_notional
    return None if notional <= limit else (Reason.MAX_NOTIONAL, f"{notional:,.0f} > {limit:,}")


def no_duplicate(context: PretradeContext) -> Verdict | None:
    """Deny an entry while anything of the same strategy and symbol is pending: an old stop would hit the new position."""
    order = context.order
    for state in context.pending:
        # The rest of an entry meets the stop of its first part; upkeep makes one of the two.
        is_first_part = order.root_ref is not None and _rests_as_stop(state)
        if state.order.strategy == order.strategy and not is_first_part:
            return Reason.DUPLICATE, f"{state.order_ref} ({state.order.purpose}) is still {state.phase}"
    return None


def no_self_cross(context: PretradeContext) -> Verdict | None:
    """Deny an entry that could trade with an order of ours. A resting stop can't, one that has begun to fill can."""
    order = context.order
    for state in context.pending:
        rests = state.order.purpose is Purpose.STOP and not state.filled
        if state.order.side is order.side.opposite and not rests:
            return Reason.SELF_CROSS, f"{state.order_ref} is on the other side"
    return None


def _rests_as_stop(state: OrderState) -> bool:
    return state.order.purpose is Purpose.STOP and state.phase is OrderPhase.WORKING and not state.filled


def order_rate(context: PretradeContext) -> Verdict | None:
    """Deny an entry that, with its stop, would be one order too many in the last sixty seconds."""
    limit = context.settings.max_orders_per_minute
    count = context.orders_last_minute + 2
    return None if count <= limit else (Reason.ORDER_RATE, f"{count} orders in 60 s (at most {limit})")


def no_repeats(context: PretradeContext) -> Verdict | None:
    """Deny the same kind of order again and again: that is a fault, whatever the order is for."""
    limit, window = context.settings.max_repeats, context.settings.repeat_window_s
    if context.repeats < limit:
        return None
    return Reason.REPEAT_THROTTLE, f"sent {context.repeats} times in {window:g} s (at most {limit})"


ENTRY_CHECKS: Final[tuple[Check, ...]] = (
    symbol_allowed,
    whole_quantity,
    max_quantity,
    fresh_price,
    price_collar,
    stop_protects,
    max_notional,
    no_duplicate,
    no_self_cross,
    order_rate,
    no_repeats,
)
EXIT_CHECKS: Final[tuple[Check, ...]] = (whole_quantity, within_position, no_repeats)


def verdict_on(context: PretradeContext) -> Verdict | None:
    """Run the checks of the order's purpose; the first denial, or None when the order may go."""
    checks = ENTRY_CHECKS if context.order.purpose.adds_risk else EXIT_CHECKS
    for check in checks:
        verdict = check(context)
        if verdict is not None:
            return verdict
    return None
