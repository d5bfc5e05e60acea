"""Matching against the tape: at which price, and how many shares, an order may fill in a step.

Rules, each on the careful side:

- An order placed during a session meets the quote at once: it takes the touch, up to the shares shown there and a
  part of what traded in the step. What is left waits for the next steps.
- A resting limit order fills at its limit when the price trades through it; when the price only touches it, a
  quarter of the shares. A price beyond the limit at a step's start (a gap) fills better than the limit.
- A stop is elected by trades. It fills at the stop, or at the step's start when the price opened beyond it, and
  pays the spread.
- No price lies outside the range of the step, but for what the account's own size adds to it (``tape_fills``). Inside a
  step the order of high and low is not looked at; an elected stop limit order that isn't marketable at once rests
  until the next step.
- An order that a method works (``tactics``) and that rests fills when the price trades through it. Inside the quote, where
  it stands first, it is enough that the price newly comes down (up) to it, for a quarter of the shares; so at the
  midpoint. On the near side others stand before it: there as much must have traded as was shown, each side counted
  as half of the volume.
- Shares available in a step are shared by all orders of the account on that side of the symbol.
- The account's own pressure keeps resting orders from fills that it has pushed away (``shift``, in ticks; ``impact``).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.vocabulary import OrderType
from paper_gateway.market import TapeReader
from paper_gateway.tactics import Slice
from paper_gateway.working_order import WorkingOrder

_PARTICIPATION = 10  # one share in ten that trades in a step may be ours
_AT_THE_LIMIT = 4  # of those, one in four when the price only touches a limit


@dataclass(frozen=True, slots=True)
class Fill:
    """Shares and price in ticks, of which the bar fill model gives fractions too.

    ``adds_liquidity`` when the order was resting at that price.
    """

    quantity: int
    price: int | Decimal
    adds_liquidity: bool = False


@dataclass(slots=True)
class Pool:
    """Shares still to be had in the present step of one symbol, and those that were to be had when it began."""

    now_ns: int = 0
    buy: int = 0
    sell: int = 0
    all_buy: int = 0
    all_sell: int = 0

    def refill(self, reader: TapeReader, index: int, now_ns: int) -> None:
        """Refill when step ``index`` (-1: the opening bell), which ends at ``now_ns``, is a new one."""
        if now_ns != self.now_ns:
            self.now_ns = now_ns
            step = max(index, 0)
            traded = reader.volume[step] // _PARTICIPATION if index >= 0 else 0
            self.buy = self.all_buy = reader.ask_size[step] + traded
            self.sell = self.all_sell = reader.bid_size[step] + traded

    def available(self, order: WorkingOrder, *, only_touched: bool = False) -> int:
        """Shares that ``order`` may have."""
        shares = self.buy if order.is_buy else self.sell
        if only_touched and shares:
            shares = max(shares // _AT_THE_LIMIT, 1)
        return min(shares, order.workable)

    def taken(self, order: WorkingOrder) -> int:
        """Shares that are gone on the order's side."""
        return self.all_buy - self.buy if order.is_buy else self.all_sell - self.sell

    def take(self, order: WorkingOrder, quantity: int) -> None:
        """Use up shares."""
        if order.is_buy:
            self.buy -= quantity
        else:
            self.sell -= quantity


def elect(order: WorkingOrder, low: int, high: int) -> bool:
    """Elect a waiting stop when trades between ``low`` and ``high`` reached it; True when that happened now."""
    if not order.is_stop or order.stop is None:
        return False
    if (high < order.stop) if order.is_buy else (low > order.stop):
        return False
    order.elected = True
    return True


def meet_quote(
    order: WorkingOrder, reader: TapeReader, index: int, touch: tuple[int, int], pool: Pool
) -> Fill | None:
    """Fill of an order that has just come to market, against the bid and ask of now."""
    step = max(index, 0)
    price = _clamp(touch[1] if order.is_buy else touch[0], reader.low[step], reader.high[step])
    if not _allows(order, price):
        return None
    return _fill(order, price, pool)


def meet_step(
    order: WorkingOrder,
    reader: TapeReader,
    index: int,
    pool: Pool,
    *,
    elected_now: bool = False,
    shift: int = 0,
) -> Fill | None:
    """Fill of an order that was there before the step, against the step's trades."""
    low, high, opened = reader.low[index], reader.high[index], reader.open[index]
    start = opened
    if elected_now and order.stop is not None:
        start = max(order.stop, opened) if order.is_buy else min(order.stop, opened)
    half_spread = _half_spread(order, reader, index)
    price = _clamp(start + half_spread, low, high)
    if _allows(order, price):
        return _fill(order, price, pool)
    if elected_now or order.limit is None:
        return None
    best = low + shift if order.is_buy else high - shift
    if not _allows(order, best):
        return None
    quantity = pool.available(order, only_touched=best == order.limit)
    return Fill(quantity, order.limit, adds_liquidity=True) if quantity else None


def meet_slice(
    order: WorkingOrder, part: Slice, reader: TapeReader, index: int, pool: Pool, *, shift: int = 0
) -> Fill | None:
    """Fill of what a method does in a step."""
    low, high, opened, sign = reader.low[index], reader.high[index], reader.open[index], order.sign
    limit = part.limit
    if not part.rests:
        price = _clamp(reader.ask[index] if order.is_buy else reader.bid[index], low, high)
        if limit is None or sign * (limit - price) >= 0:
            quantity = min(pool.available(order), part.shares)
            return Fill(quantity, price) if quantity else None
    assert limit is not None, "what rests has a price"
    through = sign * (limit - (low + shift if order.is_buy else high - shift))
    newly = sign * (opened - (low if order.is_buy else high)) > 0
    if through < 0 or ((part.hidden or through == 0) and not newly):
        return None
    if through == 0 and part.queues and reader.volume[index] < 2 * _shown_before(order, reader, index):
        return None
    quantity = min(pool.available(order, only_touched=part.hidden or through == 0), part.shares)
    return Fill(quantity, limit, adds_liquidity=True) if quantity else None


def meet_auction(order: WorkingOrder, close: int) -> Fill | None:
    """Fill of a market-on-close or limit-on-close order at the official close: all of it, or none."""
    if order.kind is OrderType.LIMIT_ON_CLOSE and not _allows(order, close):
        return None
    return Fill(order.workable, close) if order.workable else None


def _shown_before(order: WorkingOrder, reader: TapeReader, index: int) -> int:
    """Shares on the order's own side when the step began."""
    sizes = reader.bid_size if order.is_buy else reader.ask_size
    return sizes[max(index - 1, 0)]


def _half_spread(order: WorkingOrder, reader: TapeReader, index: int) -> int:
    close = reader.close[index]
    return reader.ask[index] - close if order.is_buy else reader.bid[index] - close


def _fill(order: WorkingOrder, price: int, pool: Pool) -> Fill | None:
    quantity = pool.available(order)
    return Fill(quantity, price) if quantity else None


def _allows(order: WorkingOrder, price: int) -> bool:
    if not order.is_limited or order.limit is None:
        return True
    return price <= order.limit if order.is_buy else price >= order.limit


def _clamp(price: int, low: int, high: int) -> int:
    return low if price < low else min(price, high)
