"""News on its way to clients: lost, doubled, late; commissions that nobody knows yet."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from paper_gateway.faults.scenario import Callback, Callbacks, Commissions, ServersLost
from paper_gateway.faults.schedule import Schedule
from paper_gateway.types import (
    BrokerageEvent,
    CommissionCharged,
    CommissionView,
    Executed,
    OrderChanged,
    PositionChanged,
)

_NOT_KNOWN = Decimal(-1)


def kind_of(event: BrokerageEvent) -> Callback:
    """Kind of news as scenarios name it."""
    match event:
        case OrderChanged():
            return Callback.STATUS
        case Executed():
            return Callback.EXECUTION
        case CommissionCharged():
            return Callback.COMMISSION
        case PositionChanged():
            return Callback.POSITION
        case _:
            return Callback.ERROR


class News:
    """Decides when a client hears of an event.

    Parameters
    ----------
    schedule
        Which faults are active.
    now
        Seconds of wall time.
    """

    def __init__(self, schedule: Schedule, now: Callable[[], float]) -> None:
        self._schedule = schedule
        self._now = now
        self._known_at: dict[str, tuple[float, bool]] = {}

    def deliveries(self, client_id: int, event: BrokerageEvent) -> list[tuple[float, BrokerageEvent]]:
        """Return what to tell a client, and after how many seconds."""
        if self._schedule.active(ServersLost, client_id):
            return []
        out = [(0.0, event)]
        if isinstance(event, CommissionCharged):
            out = self._commission(event)
        for fault, chance in self._schedule.active(Callbacks, client_id):
            if kind_of(event) in fault.of:
                out = [pair for one in out for pair in _disturb(one, fault, chance)]
        return out

    def known_commission(self, view: CommissionView) -> CommissionView | None:
        """Commission as an answer to a request for executions tells it by now."""
        known_at, says_unknown = self._known_at.get(view.exec_id, (0.0, False))
        if self._now() >= known_at:
            return view
        return replace(view, amount=_NOT_KNOWN) if says_unknown else None

    def _commission(self, event: CommissionCharged) -> list[tuple[float, BrokerageEvent]]:
        for fault, chance in self._schedule.active(Commissions, event.client_id):
            delay_s = fault.delay_s.draw(chance)
            exec_id = event.commission.exec_id
            self._known_at.setdefault(exec_id, (self._now() + delay_s, fault.mode == "unknown"))
            unknown = replace(event, commission=replace(event.commission, amount=_NOT_KNOWN))
            if fault.mode == "unknown":
                return [(0.0, unknown)]  # the real figure comes only to those who ask
            return [(delay_s, event)] if fault.mode == "late" else []
        return [(0.0, event)]


def _disturb(
    delivery: tuple[float, BrokerageEvent], fault: Callbacks, chance: random.Random
) -> list[tuple[float, BrokerageEvent]]:
    at_s, event = delivery
    if chance.random() < fault.drop:
        return []
    copies = 2 if chance.random() < fault.duplicate else 1
    return [
        (at_s + (fault.delay_s.draw(chance) if chance.random() < fault.delay else 0.0), event)
        for _ in range(copies)
    ]
