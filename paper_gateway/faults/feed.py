"""Market data that stop or are wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal

from paper_gateway.faults.scenario import Feed, ServersLost
from paper_gateway.faults.schedule import Schedule
from paper_gateway.types import BarView, QuoteView

_SILENT = frozenset({"frozen", "farm", "competing"})
_FACTORS = {"zero": 0, "negative": -1, "tenfold": 10}


class FaultyFeed:
    """Changes what subscribers are shown; the market itself goes on."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def shown_quote(self, quote: QuoteView) -> QuoteView | None:
        """Quote as it is shown; None: no news."""
        mode = self._mode(quote.symbol)
        if mode is None:
            return quote
        if mode in _SILENT:
            return None
        if mode == "crossed":
            return replace(quote, bid=quote.ask + quote.last / 100, ask=quote.bid - quote.last / 100)
        bid, ask, last = (_wrong(price, mode) for price in (quote.bid, quote.ask, quote.last))
        return replace(quote, bid=bid, ask=ask, last=last)

    def shown_bar(self, bar: BarView) -> BarView | None:
        """Bar as it is shown; None: no bar."""
        mode = self._mode(bar.symbol)
        if mode is None:
            return bar
        if mode in _SILENT:
            return None
        if mode == "crossed":
            return replace(bar, high=bar.low, low=bar.high + 0.01)
        factor = _FACTORS.get(mode, math.nan)
        return replace(
            bar,
            open=bar.open * factor,
            high=bar.high * factor,
            low=bar.low * factor,
            close=bar.close * factor,
        )

    def _mode(self, symbol: str) -> str | None:
        if self._schedule.active(ServersLost):
            return "frozen"
        for fault, _ in self._schedule.active(Feed):
            if not fault.symbols or symbol in fault.symbols:
                return fault.mode
        return None


def _wrong(price: Decimal, mode: str) -> Decimal:
    return price * _FACTORS[mode] if mode in _FACTORS else Decimal("NaN")
