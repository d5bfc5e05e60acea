"""ADAPTIVE_URGENT, _NORMAL, _PATIENT: IB's algorithm for a price between the touches, in three priorities.

The more patient, the longer it looks for a better price than the far touch (TWS API documentation, "IB Algorithms":
``Adaptive`` with ``adaptivePriority``).
"""

from __future__ import annotations

from collections.abc import Callable

from core.vocabulary import OrderType
from execution.methods.situation import Instruction, Situation, Tools, window_end_ns


def adaptive(priority: str) -> Callable[[Situation, Tools], Instruction]:
    """Make the method of one priority, spelled as IB spells it."""

    def method(situation: Situation, tools: Tools) -> Instruction:
        return Instruction(
            order_type=OrderType.MARKET,
            algo="Adaptive",
            algo_params=(("adaptivePriority", priority),),
            until_ns=window_end_ns(situation, tools),
        )

    return method
