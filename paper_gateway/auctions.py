"""The closing auction's cut-offs: until when an order for it may come, and until when it may go.

By the exchange that lists the symbol, before the session's close, whether that is early or not; today's rules, whatever
the date of the prices:

- NYSE and NYSE American take MOC and LOC orders until ten minutes before the close, and let nobody cancel them after
  that (NYSE rule 7.35B).
- Nasdaq takes MOC orders until five minutes before the close and LOC orders until two minutes before it; from ten
  minutes before it they can't be cancelled or changed (Nasdaq equity rule 4, section 4754; a late LOC order's price is
  not capped by the reference price here).
- NYSE Arca takes and cancels them until one minute before the close (NYSE Arca rule 7.35-E).

A symbol that lists elsewhere follows NYSE's.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.vocabulary import OrderType
from data.bar_table import NS_PER_S
from paper_gateway.market import Market


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOffs:
    """Seconds before the close after which an order for the closing auction is too late."""

    market_entry_s: int
    limit_entry_s: int
    cancel_s: int


_NYSE = CutOffs(market_entry_s=600, limit_entry_s=600, cancel_s=600)
_NASDAQ = CutOffs(market_entry_s=300, limit_entry_s=120, cancel_s=600)
_ARCA = CutOffs(market_entry_s=60, limit_entry_s=60, cancel_s=60)
_BY_EXCHANGE = {"NASDAQ": _NASDAQ, "ISLAND": _NASDAQ, "ARCA": _ARCA}

AT_CLOSE = frozenset({OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE})


def cut_offs(exchange: str) -> CutOffs:
    """Cut-offs of a listing exchange, by IB's name for it."""
    return _BY_EXCHANGE.get(exchange, _NYSE)


def is_too_late(kind: OrderType, market: Market, symbol: str) -> bool:
    """Whether an order of ``kind`` comes too late for the close of the open session."""
    if kind not in AT_CLOSE:
        return False
    limits = cut_offs(market.listings[symbol].instrument.primary_exchange)
    entry_s = limits.market_entry_s if kind is OrderType.MARKET_ON_CLOSE else limits.limit_entry_s
    return _has_passed(market, entry_s)


def is_locked_in(kind: OrderType, market: Market, symbol: str) -> bool:
    """Whether an order of ``kind`` that is there can no longer be cancelled or changed."""
    if kind not in AT_CLOSE:
        return False
    return _has_passed(market, cut_offs(market.listings[symbol].instrument.primary_exchange).cancel_s)


def _has_passed(market: Market, seconds: int) -> bool:
    session = market.session
    if session is None or not market.is_open:
        return False
    return market.now_ns > session.close_ns - seconds * NS_PER_S
