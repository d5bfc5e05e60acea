"""TWAP and VWAP: IB's algorithms that spread an order over a window, evenly or with the volume.

Parameters by the TWS API documentation, "IB Algorithms" (``Twap``, ``Vwap``). They end the order at ``endTime``, and
``allowPastEndTime`` 0 has them cancel the rest; the remainder policy sees to it half a minute later.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from core.vocabulary import OrderType
from execution.methods.situation import NS, Instruction, Situation, Tools, window_end_ns

_ZONE: Final = "US/Eastern"
_PATIENCE_NS: Final = 30 * NS


def twap(situation: Situation, tools: Tools) -> Instruction:
    """Spread an order evenly; slices cross the spread."""
    return _sliced("Twap", (("strategyType", "Marketable"),), situation, tools)


def vwap(situation: Situation, tools: Tools) -> Instruction:
    """Spread an order with the volume, as ``max_participation`` of it at most."""
    share = f"{tools.settings.methods.max_participation:g}"
    return _sliced("Vwap", (("maxPctVol", share), ("noTakeLiq", "0")), situation, tools)


def ib_time(time_ns: int) -> str:
    """Market time as IB reads it in an algorithm's parameters: ``yyyymmdd hh:mm:ss zone``."""
    moment = datetime.fromtimestamp(time_ns // NS, UTC).astimezone(ZoneInfo(_ZONE))
    return f"{moment:%Y%m%d %H:%M:%S} {_ZONE}"


def _sliced(algo: str, own: tuple[tuple[str, str], ...], situation: Situation, tools: Tools) -> Instruction:
    until_ns = window_end_ns(situation, tools)
    if until_ns is None:
        raise ValueError(f"{algo} needs a session that is on")
    times = (
        ("startTime", ib_time(situation.now_ns)),
        ("endTime", ib_time(until_ns - _PATIENCE_NS)),
        ("allowPastEndTime", "0"),
    )
    return Instruction(order_type=OrderType.MARKET, algo=algo, algo_params=(*own, *times), until_ns=until_ns)
