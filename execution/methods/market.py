"""MKT: at once, at whatever the book gives."""

from __future__ import annotations

from core.vocabulary import OrderType
from execution.methods.situation import Instruction, Situation, Tools


def market(situation: Situation, tools: Tools) -> Instruction:
    """Make a plain market order."""
    del situation, tools
    return Instruction(order_type=OrderType.MARKET)
