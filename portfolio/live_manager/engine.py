"""The engine loop: takes one event at a time, owns all domain state, and is the only sender of main's heartbeat.

Nothing in here waits for the broker. A question is asked and its answer comes back through the queue, so that a halt,
a fill or the watchdog's word is never behind something slow. Because the heartbeat is sent by this loop, a loop that
is stuck is seen as dead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from core.clock import Clock
from core.errors import StopTrading
from core.event_queue import EventQueue
from core.events import (
    AccountValue,
    BrokerError,
    BrokerSnapshot,
    Commission,
    ConnectionChanged,
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
from core.halts import takes_effect
from core.journal import Journal
from core.records import RecordKind
from core.vocabulary import ConnectionState, HaltLevel, HaltReason
from data.bar_assembler import MarketRow
from data.ib_feed import IBFeed
from execution.order_lane import OrderLane
from execution.plans import TradingConditions
from portfolio.live_manager.backfill import Backfill
from portfolio.live_manager.book import LiveBook
from portfolio.live_manager.guard import Guard
from portfolio.live_manager.heartbeat import Heartbeat
from portfolio.live_manager.order_desk import OrderDesk
from portfolio.live_manager.reconciler import RECONNECT, Reconciler
from portfolio.live_manager.status import Phase, RunStatus
from portfolio.live_manager.trader import Trader

_TICK_S = 0.02
"""Longest wait for an event: flags, lease and timers are looked at at least this often."""
_UPKEEP_S = 0.1


@dataclass(slots=True, kw_only=True)
class EngineParts:
    """What the engine works with; made by ``main.py``."""

    queue: EventQueue
    journal: Journal
    clock: Clock
    status: RunStatus
    book: LiveBook
    guard: Guard
    lane: OrderLane
    feed: IBFeed
    desk: OrderDesk
    reconciler: Reconciler
    trader: Trader
    backfill: Backfill
    heartbeat: Heartbeat


class Engine:
    """One thread's loop over the queue."""

    def __init__(self, parts: EngineParts) -> None:
        self._p = parts
        self._log = structlog.get_logger(__name__)
        self._lease: bool | None = None
        self._next_upkeep_ns = 0
        self.stop_asked: str | None = None
        """Why a graceful stop was asked for; None while none was."""
        parts.desk.is_locked = lambda symbol: symbol in parts.reconciler.locked_symbols
        self._handlers: dict[type, Callable[..., None]] = {
            Halt: self.halt,
            Shutdown: self._on_shutdown,
            ConnectionChanged: self._on_connection,
            Timer: lambda _event: None,
            **dict.fromkeys(
                (OrderStatusReport, OpenOrderReport, Execution, Commission, BrokerError),
                parts.desk.on_message,
            ),
            BrokerSnapshot: self._on_snapshot,
            AccountValue: lambda _event: None,
            ProfitAndLoss: lambda _event: None,
            PositionReport: parts.reconciler.on_position,
            Quote: parts.feed.on_quote,
            FeedChanged: self._on_feed,
            RealtimeBar: self._on_realtime_bar,
        }

    @property
    def has_lease(self) -> bool:
        """Whether the watchdog's lease was fresh when it was last looked at."""
        return bool(self._lease)

    # --- the loop -----------------------------------------------------------------------------------------

    def run(self) -> None:
        """Go on until a graceful stop is asked for; a halted engine goes on too, and trades nothing."""
        while self.stop_asked is None:
            self.step()

    def pump(self, done: Callable[[], bool], timeout_s: float, *, until_stop: bool = True) -> bool:
        """Go on until ``done()`` or the time is over, or (``until_stop``) a stop is asked for; return ``done()``."""
        end_ns = self._p.clock.monotonic_ns() + round(timeout_s * 1e9)
        while not done() and self._p.clock.monotonic_ns() < end_ns:
            if until_stop and self.stop_asked is not None:
                break
            self.step()
        return done()

    def step(self) -> None:
        """Take one event, if there is one within a tick, and do what is due."""
        event = self._p.queue.get(_TICK_S)
        try:
            if event is not None:
                self._handlers[type(event)](event)
                self._p.heartbeat.events_processed += 1
            self._look_around()
        except StopTrading as error:
            self.halt(
                Halt(
                    level=HaltLevel.HALTED,
                    reason=HaltReason.JOURNAL,
                    detail=f"{type(error).__name__}: {error}",
                    source="main",
                )
            )

    def farewell(self) -> None:
        """Send a last heartbeat, which tells that this end is in order."""
        self._p.heartbeat.send(self._p.clock.monotonic_ns())

    def _look_around(self) -> None:
        now_ns = self._p.clock.monotonic_ns()
        if self._p.heartbeat.is_due(now_ns):
            self._look_at_guard()
            self._p.status.market_ns = max(self._p.status.market_ns, self._p.feed.market_ns)
            self._p.heartbeat.send(now_ns)
        for row in self._p.feed.poll():
            self._on_row(row)
        filled = self._p.backfill.poll() if self._takes_rows() else None
        if filled is not None:
            self._p.trader.on_row(filled, self.conditions())
        for change in self._p.feed.take_changes():
            self._log.info("feed", symbol=change.symbol, status=str(change.status), detail=change.detail)
        self._p.reconciler.poll()
        market_ns = max(self._p.status.market_ns, self._p.feed.market_ns)
        due = now_ns >= self._next_upkeep_ns or self._p.desk.work_is_due(market_ns)
        if due and self._p.status.phase is not Phase.STARTING:
            self._next_upkeep_ns = now_ns + round(_UPKEEP_S * 1e9)
            self._p.desk.look_after(self.conditions(), market_ns)

    def _look_at_guard(self) -> None:
        halt = self._p.guard.flag_halt()
        if halt is not None:
            self.halt(halt)
        lease = self._p.guard.has_lease()
        if lease is not self._lease:
            self._lease = lease
            (self._log.info if lease else self._log.warning)("lease", fresh=lease)

    # --- what forbids orders ------------------------------------------------------------------------------

    def conditions(self) -> TradingConditions:
        """Everything that forbids orders at this moment. Flags and lease are looked at now, not remembered."""
        self._look_at_guard()
        return TradingConditions(
            halt_level=self._p.status.halt_level,
            connected=self._p.status.connection is ConnectionState.READY,
            reconciled=self._p.reconciler.is_reconciled,
            # Who is asked to stop opens nothing more; exits and stops go on.
            lease=self.has_lease and self.stop_asked is None,
            locked_symbols=self._p.reconciler.locked_symbols,
            market_open=self._p.feed.market_is_open(),
            stale_symbols=self._p.feed.stale_symbols(),
        )

    def halt(self, halt: Halt) -> None:
        """Stop at ``halt.level``; a lower or equal level changes nothing. Only a new process can trade again."""
        if not takes_effect(halt, self._p.status.halt_level):
            return
        if halt.level >= HaltLevel.HALTED:
            self._p.lane.close(halt.reason.value)
            self._p.status.phase = Phase.HALTED
        self._p.status.halt = halt
        self._log.critical(
            "halt", level=halt.level.name, reason=str(halt.reason), detail=halt.detail, source=halt.source
        )
        self._p.heartbeat.send(self._p.clock.monotonic_ns())
        try:
            self._p.journal.append(RecordKind.HALT, halt)
        except StopTrading as error:  # the journal may be the very reason; the halt stands without it
            self._log.critical("halt_not_journaled", detail=str(error))

    # --- events -------------------------------------------------------------------------------------------

    def _on_shutdown(self, event: Shutdown) -> None:
        self.stop_asked = event.reason

    def _on_connection(self, event: ConnectionChanged) -> None:
        before, self._p.status.connection = self._p.status.connection, event.state
        self._p.journal.append(RecordKind.CONNECTION, {"state": str(event.state), "reason": event.reason})
        if event.state is ConnectionState.READY:
            # A start asks by itself, once; what it has learned is of before an outage that comes then.
            if self._p.status.phase is not Phase.STARTING or self._p.reconciler.was_requested:
                self._p.reconciler.request(RECONNECT)
            self._p.feed.on_reconnected(data_lost=event.data_lost)
        elif before is ConnectionState.READY:
            self._p.reconciler.lost_connection()

    def _on_snapshot(self, snapshot: BrokerSnapshot) -> None:
        before = self._p.reconciler.breaks_found
        resolution = self._p.reconciler.on_snapshot(snapshot)
        self._p.desk.on_strays(resolution.strays)
        self._p.status.breaks += self._p.reconciler.breaks_found - before

    def _on_feed(self, event: FeedChanged) -> None:
        self._p.feed.on_feed_changed(event)

    def _on_realtime_bar(self, bar: RealtimeBar) -> None:
        for row in self._p.feed.on_realtime_bar(bar):
            self._on_row(row)

    def _takes_rows(self) -> bool:
        """Whether rows are decided on: neither before trading begins nor once a stop is under way."""
        return self._p.status.phase in {Phase.TRADING, Phase.HALTED}

    def _on_row(self, row: MarketRow) -> None:
        if not self._takes_rows():
            return
        ready = self._p.backfill.add(row)
        if ready is None:
            self._p.trader.pass_over(row)
        else:
            self._p.trader.on_row(ready, self.conditions())
