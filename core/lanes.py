"""Lanes of the engine's queue: which events go before which."""

from __future__ import annotations

from enum import IntEnum

from core.events import (
    AccountValue,
    Bar,
    BrokerError,
    BrokerSnapshot,
    Commission,
    ConnectionChanged,
    Event,
    Execution,
    FeedChanged,
    Halt,
    OpenOrderReport,
    OrderStatusReport,
    PositionReport,
    ProfitAndLoss,
    Quote,
    RealtimeBar,
    Shutdown,
    Timer,
)


class Lane(IntEnum):
    """Priority of an event; a lower value is taken first. Only MARKET may be conflated."""

    CONTROL = 0
    ORDER = 1
    RISK = 2
    MARKET = 3


_LANES: dict[type, Lane] = {
    **dict.fromkeys((RealtimeBar, Bar, Quote, FeedChanged), Lane.MARKET),
    **dict.fromkeys((OrderStatusReport, OpenOrderReport, Execution, Commission, BrokerError), Lane.ORDER),
    **dict.fromkeys((AccountValue, ProfitAndLoss, PositionReport, BrokerSnapshot), Lane.RISK),
    **dict.fromkeys((ConnectionChanged, Halt, Timer, Shutdown), Lane.CONTROL),
}


def lane_of(event: Event) -> Lane:
    """Lane in which ``event`` travels."""
    return _LANES[type(event)]
