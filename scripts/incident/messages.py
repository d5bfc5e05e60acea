"""Names of the messages of the TWS protocol, whose first field is a number.

Source: IB's TWS API 9.81, ``message.py``; those that a process of ours sends or the gateway sends it, and their near relatives.
"""

from __future__ import annotations

from typing import Final

_INCOMING: Final = {
    "1": "tick price",
    "2": "tick size",
    "3": "order status",
    "4": "error or notice",
    "5": "open order",
    "6": "account value",
    "7": "portfolio value",
    "8": "account update time",
    "9": "next valid id",
    "10": "contract details",
    "11": "execution",
    "15": "managed accounts",
    "17": "historical bars",
    "45": "tick generic",
    "46": "tick string",
    "49": "current time",
    "50": "real-time bar",
    "52": "end of contract details",
    "53": "end of open orders",
    "54": "end of account download",
    "55": "end of executions",
    "57": "end of snapshot",
    "58": "market data type",
    "59": "commission",
    "61": "position",
    "62": "end of positions",
    "63": "account summary",
    "64": "end of account summary",
    "81": "tick parameters",
    "94": "P&L",
    "95": "P&L of a position",
    "101": "completed order",
    "102": "end of completed orders",
}
_OUTGOING: Final = {
    "1": "market data",
    "2": "cancel market data",
    "3": "place order",
    "4": "cancel order",
    "5": "open orders",
    "6": "account updates",
    "7": "executions",
    "8": "ids",
    "9": "contract details",
    "15": "auto open orders",
    "16": "all open orders",
    "17": "managed accounts",
    "20": "historical bars",
    "25": "cancel historical bars",
    "49": "current time",
    "50": "real-time bars",
    "51": "cancel real-time bars",
    "58": "global cancel",
    "59": "market data type",
    "61": "positions",
    "62": "account summary",
    "63": "cancel account summary",
    "64": "cancel positions",
    "71": "start API",
    "92": "P&L",
    "93": "cancel P&L",
    "99": "completed orders",
}


def message_name(direction: str, number: str) -> str:
    """Name of a message by its first field; ``direction`` is ``out`` for what we sent."""
    known = _OUTGOING if direction == "out" else _INCOMING
    return known.get(number, f"message {number}")
