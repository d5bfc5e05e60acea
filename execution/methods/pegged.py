"""PEG_MID and REL: limits that the broker moves with the quote.

``REL`` follows the touch on the order's own side, ``relative_offset_ticks`` better. For the midpoint IB has two types: ``PEG MID``
works at its own venue only, ``MIDPRICE`` is the one for smart-routed US stocks and has no offset. Both get a cap, so
that a quote that runs away is not followed for ever (IBKR Order Types: "Relative", "MidPrice").
"""

from __future__ import annotations

from decimal import Decimal

from core.vocabulary import OrderType
from execution.methods.situation import Instruction, Situation, Tools, window_end_ns


def midpoint(situation: Situation, tools: Tools) -> Instruction:
    """Make an order that follows the midpoint."""
    return Instruction(
        order_type=OrderType.MIDPRICE,
        limit_price=_cap(situation, tools),
        until_ns=window_end_ns(situation, tools),
    )


def relative(situation: Situation, tools: Tools) -> Instruction:
    """Make an order that follows the near touch."""
    ticks = Decimal(tools.settings.methods.relative_offset_ticks)
    tick = tools.grid.tick(situation.symbol, situation.reference)
    return Instruction(
        order_type=OrderType.RELATIVE,
        limit_price=_cap(situation, tools),
        peg_offset=ticks * tick,
        until_ns=window_end_ns(situation, tools),
    )


def _cap(situation: Situation, tools: Tools) -> Decimal:
    """Worst price, a little inside the pre-trade collar: no order of ours may be further from the market."""
    distance = 0.9 * tools.settings.pretrade.price_collar
    price = situation.reference * (1.0 + situation.side.sign * distance)
    return tools.grid.limit(situation.symbol, situation.side, price)
