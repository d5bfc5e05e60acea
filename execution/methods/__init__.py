"""How a parent order is worked: a module a method, each from a situation to the broker's instruction. Pure."""

from __future__ import annotations

from execution.methods.registry import instruction_for
from execution.methods.situation import Instruction, SessionTimes, Situation

__all__ = ["Instruction", "SessionTimes", "Situation", "instruction_for"]
