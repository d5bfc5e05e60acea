"""Ways to work an order that are more than a price: algorithms and pegs, as terms of an order.

``algo_orders`` and ``order_rules`` read them from a client's fields; ``tactics`` says what they do in each step.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LOT = 100
"""Shares of a slice, and the least size of an order that is sliced."""


class Priority(StrEnum):
    """How long ``Adaptive`` looks for a better price."""

    URGENT = "Urgent"
    NORMAL = "Normal"
    PATIENT = "Patient"


class SliceStyle(StrEnum):
    """At which price a slice works: ``strategyType`` of Twap."""

    MARKETABLE = "Marketable"
    MIDPOINT = "Matching Midpoint"
    SAME_SIDE = "Matching Same Side"
    LAST = "Matching Last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """An order that starts passively and walks towards the other side of the quote."""

    priority: Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Sliced:
    """An order that is worked in slices from ``start_ns`` to ``end_ns`` (market time).

    Attributes
    ----------
    by_volume
        Slices follow the usual course of a day's volume; otherwise the clock.
    crosses
        Whether a slice that has waited for a while takes the other side's price.
    most
        Largest share of the volume that trades meanwhile; None: no limit of its own.
    past_end
        Whether the rest is worked after ``end_ns``; otherwise it is cancelled.
    """

    start_ns: int
    end_ns: int
    by_volume: bool
    style: SliceStyle
    crosses: bool = True
    most: float | None = None
    past_end: bool = False


class Anchor(StrEnum):
    """What a pegged order's price follows."""

    MIDPOINT = "midpoint"
    NEAR = "near side"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pegged:
    """An order whose price follows the quote (PEG MID, MIDPRICE, REL); its limit, when it has one, caps that.

    ``offset`` ticks, or the fraction ``offset_fraction`` of the price, make it more aggressive when positive.
    """

    anchor: Anchor
    offset: int = 0
    offset_fraction: float = 0.0


Method = Adaptive | Sliced | Pegged
