"""What a method looks at, and what it answers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from core.config_schema import ExecutionSettings
from core.events import Quote
from core.vocabulary import OrderType, Purpose, Side
from execution.ticks import PriceGrid
from portfolio.algo_wheel import OrderContext

NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTimes:
    """Opening and close of the session that is on; an early close is one like any other."""

    open_ns: int
    close_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A parent order at its decision. Times are market time.

    Parameters
    ----------
    reference
        The market's price, from the quote or else the price that was decided on; NaN for none.
    bid, ask
        Both NaN unless there is a two-sided quote.
    session
        None when the exchange is closed.
    exchange
        Primary exchange by IB's name; empty when it isn't known.
    is_whole
        False for an exit that leaves a part of the position: its protective stop does not cover what is leaving.
    is_short_restricted
        Whether rule 201 of Regulation SHO keeps short sales from the bid.
    patience_s
        How long the order may take; None for as long as its method does.
    """

    symbol: str
    side: Side
    quantity: Decimal
    purpose: Purpose
    reference: float
    bid: float
    ask: float
    now_ns: int
    session: SessionTimes | None
    exchange: str = ""
    is_whole: bool = True
    is_short_restricted: bool = False
    context: OrderContext | None = None
    patience_s: float | None = None

    @property
    def has_quote(self) -> bool:
        """Whether there is a two-sided quote."""
        return math.isfinite(self.bid) and math.isfinite(self.ask)

    @property
    def spread_bps(self) -> float:
        """Quoted spread over the mid; NaN without a two-sided quote."""
        return (self.ask - self.bid) / ((self.ask + self.bid) / 2.0) * 1e4

    @property
    def opens_short(self) -> bool:
        """Whether it sells what isn't held."""
        return self.purpose is Purpose.ENTRY and self.side is Side.SELL

    @property
    def seconds_left(self) -> float:
        """Until the close; 0 when the exchange is closed."""
        return 0.0 if self.session is None else max(0.0, (self.session.close_ns - self.now_ns) / NS)

    @property
    def near_touch(self) -> float:
        """Best price on the order's own side; NaN without a two-sided quote."""
        return self.bid if self.side is Side.BUY else self.ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """What the broker is told. All of them are DAY orders: IB takes no other for the close or for algorithms.

    From ``until_ns`` (market time) on the remainder policy decides; None: nothing is done before the day ends.
    """

    order_type: OrderType
    limit_price: Decimal | None = None
    peg_offset: Decimal | None = None
    algo: str | None = None
    algo_params: tuple[tuple[str, str], ...] = ()
    until_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What every method works with beside the situation."""

    settings: ExecutionSettings
    grid: PriceGrid


def two_sided(quote: Quote | None) -> tuple[float, float]:
    """Bid and ask of a quote that has both and isn't crossed, else NaN."""
    if quote is not None and 0.0 < quote.bid <= quote.ask < math.inf:
        return quote.bid, quote.ask
    return math.nan, math.nan


def window_end_ns(situation: Situation, tools: Tools) -> int | None:
    """When a window that begins now ends: after ``window_s``, and while its rest can still be crossed before the close."""
    if situation.session is None:
        return None
    methods = tools.settings.methods
    last_ns = situation.session.close_ns - round(methods.close_margin_s * NS)
    return max(situation.now_ns, min(situation.now_ns + round(methods.window_s * NS), last_ns))
