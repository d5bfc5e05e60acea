"""Names of the messages of the TWS protocol, whose first field is a number: those of the official client."""

from __future__ import annotations

from typing import Final

from ibapi.message import IN, OUT


def _names(constants: type) -> dict[str, str]:
    return {
        str(number): name.replace("_", " ").lower()
        for name, number in vars(constants).items()
        if isinstance(number, int)
    }


_INCOMING: Final = _names(IN)
_OUTGOING: Final = _names(OUT)


def message_name(direction: str, number: str) -> str:
    """Name of a message by its first field; ``direction`` is ``out`` for what we sent."""
    known = _OUTGOING if direction == "out" else _INCOMING
    return known.get(number, f"message {number}")
