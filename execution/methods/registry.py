"""Which function carries out which method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from core.vocabulary import ExecutionMethod
from execution.methods.adaptive import adaptive
from execution.methods.limit import limit
from execution.methods.market import market
from execution.methods.on_close import limit_on_close, market_on_close
from execution.methods.pegged import midpoint, relative
from execution.methods.situation import Instruction, Situation, Tools
from execution.methods.sliced import twap, vwap

_M = ExecutionMethod
METHODS: Final[Mapping[ExecutionMethod, Callable[[Situation, Tools], Instruction]]] = {
    _M.MKT: market,
    _M.LMT: limit,
    _M.PEG_MID: midpoint,
    _M.REL: relative,
    _M.ADAPTIVE_URGENT: adaptive("Urgent"),
    _M.ADAPTIVE_NORMAL: adaptive("Normal"),
    _M.ADAPTIVE_PATIENT: adaptive("Patient"),
    _M.TWAP: twap,
    _M.VWAP: vwap,
    _M.MOC: market_on_close,
    _M.LOC: limit_on_close,
}


def instruction_for(method: ExecutionMethod, situation: Situation, tools: Tools) -> Instruction:
    """Instruction that carries out ``method``, which must be admissible in this situation."""
    return METHODS[method](situation, tools)
