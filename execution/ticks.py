"""Prices on the contract's price grid: the broker refuses any other (error 110)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from core.vocabulary import Side

DEFAULT_TICK: Final = Decimal("0.01")
_DOLLAR: Final = 1.0


class PriceGrid:
    """Rounds prices to each symbol's minimum tick, and from a dollar on at least to cents.

    IB's ``minTick`` is the smallest tick that a contract has at any price; US stocks at a dollar or more take no
    fractions of a cent (Regulation NMS, rule 612).

    Parameters
    ----------
    min_ticks
        From the contract details; a symbol that is missing trades in cents, as US stocks above one dollar do.
    """

    def __init__(self, min_ticks: Mapping[str, Decimal]) -> None:
        self._min_ticks: dict[str, Decimal] = {}
        for symbol, tick in min_ticks.items():
            self.learn(symbol, tick)

    def learn(self, symbol: str, tick: Decimal) -> None:
        """Take a symbol's minimum tick from its contract details."""
        if not tick.is_finite() or tick <= 0:
            raise ValueError(f"{symbol}: the minimum tick must be positive, not {tick}")
        self._min_ticks[symbol] = tick

    def limit(self, symbol: str, side: Side, price: float) -> Decimal:
        """Round a limit price so that it is never worse for us: a buy down, a sell up."""
        return self._round(symbol, price, up=side is Side.SELL)

    def stop(self, symbol: str, side: Side, price: float) -> Decimal:
        """Round a stop price so that it never triggers later: a sell stop up, a buy stop down."""
        return self._round(symbol, price, up=side is Side.SELL)

    def distance(self, symbol: str, price: float, distance: float) -> Decimal:
        """Round the distance at which a stop trails a price, so that it never triggers later: down, to a tick at least."""
        tick = self.tick(symbol, price)
        return max(_to_tick(distance, tick, ROUND_FLOOR), tick)

    def _round(self, symbol: str, price: float, *, up: bool) -> Decimal:
        return _to_tick(price, self.tick(symbol, price), ROUND_CEILING if up else ROUND_FLOOR)

    def tick(self, symbol: str, price: float) -> Decimal:
        """Smallest step of a symbol's prices about ``price``."""
        tick = self._min_ticks.get(symbol, DEFAULT_TICK)
        return max(tick, DEFAULT_TICK) if price >= _DOLLAR else tick


def _to_tick(price: float, tick: Decimal, rounding: str) -> Decimal:
    # Twelve digits hide binary noise: 10.1 must not become 10.11 because its double is 10.0999999...
    steps = (Decimal(f"{price:.12g}") / tick).to_integral_value(rounding)
    return (steps * tick).quantize(tick)
