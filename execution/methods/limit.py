"""LMT: marketable, so far beyond the market that it usually fills at once, or passive at the near touch."""

from __future__ import annotations

import math

from core.vocabulary import OrderType
from execution.methods.situation import Instruction, Situation, Tools, window_end_ns


def limit(situation: Situation, tools: Tools) -> Instruction:
    """Make a limit order.

    A marketable one has the price of ``limit_offset_bps`` beyond the reference and works until its day ends, as a
    limit order in a backtest does. One at the touch has a window, after which the market may have left it behind.
    """
    side, symbol, settings = situation.side, situation.symbol, tools.settings
    if settings.methods.limit_placement == "touch" and math.isfinite(situation.near_touch):
        return Instruction(
            order_type=OrderType.LIMIT,
            limit_price=tools.grid.limit(symbol, side, situation.near_touch),
            until_ns=window_end_ns(situation, tools),
        )
    price = situation.reference * (1.0 + side.sign * settings.limit_offset_bps / 1e4)
    return Instruction(order_type=OrderType.LIMIT, limit_price=tools.grid.limit(symbol, side, price))
