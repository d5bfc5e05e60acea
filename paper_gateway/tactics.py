"""What an order that is worked by a method does in the next step: how many shares, at which price.

Adaptive
    The documentation says only that Urgent scans briefly and Patient slowly, with better prices on average. Here the order
    waits at a price inside the quote and walks from there to the other side; when it gets there, it takes. ``WALKS``
    holds where it starts (0: the near side, 1: the far side) and how long it walks.
Twap, Vwap
    Every half minute of market time the order looks at how much should have traded by now (``Sliced``), and works what is
    missing in round lots: at the other side's price (Marketable), at the near side, the midpoint, or the last price.
    What a slice didn't get is added to the next. A Vwap slice waits at the near side and crosses in the second half of its
    half minute, unless it may not take liquidity.
Pegs
    The price follows the quote at the start of the step; a peg to the midpoint is hidden, and meets only those who sell into
    (buy from) the spread.

Nothing here knows the step that it is about: only the quote and volume before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import numpy as np

from data.bar_table import NS_PER_S
from data.exchange_calendar import Session
from paper_gateway.market import TapeReader
from paper_gateway.methods import LOT, Adaptive, Anchor, Pegged, Priority, Sliced, SliceStyle
from paper_gateway.price_path import STEP_S, u_shape
from paper_gateway.tape import STEP_NS
from paper_gateway.working_order import WorkingOrder

Price = int | Decimal


@dataclass(frozen=True, slots=True)
class Walk:
    """From which part of the spread, and in how many seconds to its other side."""

    start: float
    seconds: int


WALKS: Mapping[Priority, Walk] = {
    Priority.URGENT: Walk(0.5, 10),
    Priority.NORMAL: Walk(0.25, 60),
    Priority.PATIENT: Walk(0.0, 300),
}
SLICE_S = 30
"""Seconds between two looks at a schedule."""


@dataclass(frozen=True, slots=True)
class Now:
    """The moment before a step: quote in ticks, index of the step, its session and tape."""

    bid: int
    ask: int
    index: int
    session: Session
    reader: TapeReader

    @property
    def start_ns(self) -> int:
        """When the step begins."""
        return self.session.open_ns + self.index * STEP_NS

    @property
    def traded(self) -> int:
        """Shares that have traded in the session."""
        return self.reader.day_volume[self.index - 1] if self.index else 0


@dataclass(frozen=True, slots=True)
class Slice:
    """What an order does in a step: at most ``shares``, at ``limit`` ticks or better; None: at any price.

    ``rests``: it waits at its limit and takes nothing. ``queues``: others were at that price before it.
    ``hidden``: it waits at the midpoint and isn't shown.
    """

    shares: int
    limit: Price | None = None
    rests: bool = False
    queues: bool = False
    hidden: bool = False


def has_begun(order: WorkingOrder, now_ns: int) -> bool:
    """Whether the order's time has come."""
    method = order.method
    return not isinstance(method, Sliced) or now_ns >= method.start_ns


def has_ended(order: WorkingOrder, step_end_ns: int) -> bool:
    """Whether a step that ends at ``step_end_ns`` is beyond the order's time."""
    method = order.method
    return isinstance(method, Sliced) and not method.past_end and step_end_ns > method.end_ns


def next_slice(order: WorkingOrder, now: Now) -> Slice | None:
    """Say what an order whose time has come does in the step that is about to begin; None: nothing."""
    if order.worked_since_ns is None:
        order.worked_since_ns, order.traded_before = now.start_ns, now.traded
    match order.method:
        case Adaptive() as method:
            return _slice(order, order.workable, _walked(order, method, now, order.worked_since_ns), now)
        case Pegged() as method:
            hidden = method.anchor is Anchor.MIDPOINT
            return _slice(order, order.workable, _pegged(order, method, now), now, hidden=hidden)
        case Sliced() as method:
            return _scheduled(order, method, now)
        case _:
            return None


def _slice(order: WorkingOrder, shares: int, price: Price | None, now: Now, *, hidden: bool = False) -> Slice:
    """Slice at a price (None: at the market), held to the order's limit."""
    if price is None:
        return Slice(shares, order.limit)
    rests = price < now.ask if order.is_buy else price > now.bid
    if order.limit is not None:
        price = min(price, order.limit) if order.is_buy else max(price, order.limit)
    queues = price <= now.bid if order.is_buy else price >= now.ask
    return Slice(shares, price, rests=rests, queues=queues, hidden=hidden)


def _near(order: WorkingOrder, now: Now) -> int:
    return now.bid if order.is_buy else now.ask


def _walked(order: WorkingOrder, method: Adaptive, now: Now, since_ns: int) -> int | None:
    walk = WALKS[method.priority]
    passed = (now.start_ns - since_ns) / (walk.seconds * NS_PER_S)
    part = walk.start + (1.0 - walk.start) * passed
    if part >= 1.0:
        return None
    return _near(order, now) + order.sign * int(part * (now.ask - now.bid))


def _middle(now: Now) -> Price:
    both = now.bid + now.ask
    return both // 2 if both % 2 == 0 else Decimal(both) / 2


def _pegged(order: WorkingOrder, method: Pegged, now: Now) -> Price:
    anchor = _middle(now) if method.anchor is Anchor.MIDPOINT else _near(order, now)
    offset = method.offset + round(method.offset_fraction * now.bid)
    # A peg never crosses the quote by itself.
    price = anchor + order.sign * offset
    return min(price, now.ask) if order.is_buy else max(price, now.bid)


def _scheduled(order: WorkingOrder, method: Sliced, now: Now) -> Slice | None:
    shares = _due(order, method, now)
    if shares <= 0:
        return None
    style, hidden = method.style, False
    price: Price | None = None
    if style is SliceStyle.MIDPOINT:
        price, hidden = _middle(now), True
    elif style is SliceStyle.LAST:
        price = now.reader.close[now.index - 1] if now.index else now.reader.open[0]
    elif style is SliceStyle.SAME_SIDE and not (method.crosses and _is_late(method, now)):
        price = _near(order, now)
    return _slice(order, shares, price, now, hidden=hidden)


def _is_late(method: Sliced, now: Now) -> bool:
    """Whether the slice is in the second half of its half minute, or the end is near."""
    passed_s = (now.start_ns - method.start_ns) // NS_PER_S
    return passed_s % SLICE_S >= SLICE_S // 2 or now.start_ns >= method.end_ns - SLICE_S * NS_PER_S


def _due(order: WorkingOrder, method: Sliced, now: Now) -> int:
    """Shares that should have traded by now and haven't, in round lots; all of them near the end."""
    total = order.filled + order.workable
    due = round(total * _progress(method, now)) - order.filled
    if due < order.workable:
        due -= due % LOT
    if method.most is not None:
        due = min(due, int(method.most * (now.traded - order.traded_before)) - order.filled)
    return min(due, order.workable)


def _progress(method: Sliced, now: Now) -> float:
    """Part of the order that should have traded, from 0 to 1, when the present slice is done."""
    slice_ns = SLICE_S * NS_PER_S
    number = (now.start_ns - method.start_ns) // slice_ns + 1
    until_ns = method.start_ns + number * slice_ns
    if until_ns >= method.end_ns:
        return 1.0
    if not method.by_volume:
        return (until_ns - method.start_ns) / (method.end_ns - method.start_ns)
    usual = _usual_volume(now.session.duration_s // STEP_S)
    moments = (method.start_ns, method.end_ns, until_ns)
    start, end, until = (usual[(moment - now.session.open_ns) // STEP_NS] for moment in moments)
    return (until - start) / (end - start) if end > start else 1.0


@lru_cache(maxsize=8)
def _usual_volume(steps: int) -> list[float]:
    """Part of a session's volume that usually trades up to each step, without the auctions; ``steps`` + 1 of them."""
    return [0.0, *(np.cumsum(u_shape(steps)) / steps).tolist()]
