"""How a process comes to halt: pure, so that an incident that is played again halts the same way."""

from __future__ import annotations

from core.events import Halt
from core.flags import FlagKind, FlagState
from core.ipc import Command
from core.vocabulary import HaltLevel, HaltReason

_REASONS = {
    FlagKind.KILL_NOW: HaltReason.KILL_NOW_FLAG,
    FlagKind.KILL: HaltReason.KILL_FLAG,
    FlagKind.UNREADABLE: HaltReason.FLAG_FOLDER,
}


def halt_of_command(command: Command, reason: str) -> Halt:
    """Halt that the watchdog's command means."""
    return Halt(
        level=HaltLevel.HALTED if command is Command.HALT else HaltLevel.REDUCE_ONLY,
        reason=HaltReason.WATCHDOG_COMMAND,
        detail=reason,
        source="risk_monitor",
    )


def takes_effect(halt: Halt, level: HaltLevel) -> bool:
    """Whether ``halt`` changes a process that has stopped at ``level``: only a higher level does, and none falls by itself."""
    return halt.level > level


def halt_of_flag(state: FlagState) -> Halt | None:
    """Halt that a standing flag (or a folder that can't be read) means; None when trading is allowed."""
    if not state.stands:
        return None
    return Halt(level=HaltLevel.HALTED, reason=_REASONS[state.kind], detail=state.detail, source="flags")
