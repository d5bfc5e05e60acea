"""What the engine tells about itself: counters of the run and the body of its heartbeat."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from core.events import Halt
from core.reasons import Reason
from core.vocabulary import ConnectionState, HaltLevel

_NAMED = 10
"""At most so many orders are named in a heartbeat."""


class Phase(StrEnum):
    """Where the engine is in its life."""

    STARTING = "starting"
    WARMING = "warming"
    TRADING = "trading"
    STOPPING = "stopping"
    STOPPED = "stopped"
    HALTED = "halted"


@dataclass(slots=True)
class RunStatus:
    """Counters and last known values of this run; owned by the engine thread.

    Money is in the account's currency; ``drawdown`` is a positive fraction of the peak net liquidation value.
    """

    phase: Phase = Phase.STARTING
    connection: ConnectionState = ConnectionState.DISCONNECTED
    account: str | None = None
    market_ns: int = 0
    session_date: str | None = None
    sessions: int = 0
    bars: int = 0
    signals: int = 0
    orders_sent: int = 0
    fills: int = 0
    breaks: int = 0
    nlv: Decimal = Decimal(0)
    cash: Decimal = Decimal(0)
    opening_nlv: Decimal | None = None
    peak_nlv: Decimal = Decimal(0)
    max_drawdown: float = 0.0
    commission: Decimal = Decimal(0)
    denials: Counter[str] = field(default_factory=Counter)
    halt: Halt | None = None
    overdue: tuple[str, ...] = ()
    """Orders about which the broker owes an answer for too long."""

    def enter(self, phase: Phase) -> None:
        """Go on to ``phase``; what is halted stays halted, whatever was under way."""
        if self.phase is not Phase.HALTED:
            self.phase = phase

    @property
    def halt_level(self) -> HaltLevel:
        """How far the engine has stopped."""
        return self.halt.level if self.halt else HaltLevel.NONE

    @property
    def drawdown(self) -> float:
        """Loss from the peak as a fraction, 0 at the peak."""
        return float(1 - self.nlv / self.peak_nlv) if self.peak_nlv > 0 else 0.0

    def count_denial(self, reason: Reason) -> None:
        """Count one denial under its code."""
        self.denials[reason.code] += 1

    def mark(self, nlv: Decimal, cash: Decimal) -> None:
        """Take a new valuation and move peak and maximal drawdown on."""
        self.nlv, self.cash = nlv, cash
        if self.opening_nlv is None:
            self.opening_nlv = nlv
        self.peak_nlv = max(self.peak_nlv, nlv)
        self.max_drawdown = max(self.max_drawdown, self.drawdown)

    def heartbeat_body(
        self,
        *,
        pid: int,
        start_ticks: int,
        events_processed: int,
        queue_depth: int,
        positions: dict[str, Decimal],
        working: int,
    ) -> dict[str, object]:
        """Body of a heartbeat, as the watchdog and the panel read it."""
        return {
            "pid": pid,
            "start_ticks": start_ticks,
            "market_ns": self.market_ns,
            "market_session": self.session_date,
            "events_processed": events_processed,
            "queue_depth": queue_depth,
            "phase": self.phase.value,
            "halt_level": int(self.halt_level),
            "halt_reason": self.halt.reason.value if self.halt else None,
            "connection": self.connection.value,
            "account": self.account,
            "nlv": str(self.nlv),
            "cash": str(self.cash),
            "pnl_run": str(self.nlv - self.opening_nlv) if self.opening_nlv is not None else None,
            "drawdown": self.drawdown,
            "positions": {symbol: str(quantity) for symbol, quantity in positions.items() if quantity},
            "working_orders": working,
            "overdue_orders": list(self.overdue[:_NAMED]),
            "sessions": self.sessions,
            "bars": self.bars,
            "signals": self.signals,
            "orders_sent": self.orders_sent,
            "fills": self.fills,
            "commission": str(self.commission),
            "denials": dict(self.denials),
            "breaks": self.breaks,
        }
