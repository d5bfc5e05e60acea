"""MOC and LOC: for the closing auction, which IB takes as DAY orders only."""

from __future__ import annotations

from core.vocabulary import OrderType
from execution.methods.situation import Instruction, Situation, Tools


def market_on_close(situation: Situation, tools: Tools) -> Instruction:
    """Make an order at the closing price."""
    del tools
    return Instruction(order_type=OrderType.MARKET_ON_CLOSE, until_ns=_close_ns(situation))


def limit_on_close(situation: Situation, tools: Tools) -> Instruction:
    """Make an order at the closing price, at most ``loc_offset_bps`` worse than the market is now."""
    price = situation.reference * (1.0 + situation.side.sign * tools.settings.methods.loc_offset_bps / 1e4)
    return Instruction(
        order_type=OrderType.LIMIT_ON_CLOSE,
        limit_price=tools.grid.limit(situation.symbol, situation.side, price),
        until_ns=_close_ns(situation),
    )


def _close_ns(situation: Situation) -> int | None:
    return None if situation.session is None else situation.session.close_ns
