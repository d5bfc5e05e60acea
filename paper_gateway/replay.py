"""The replay: moves the market through recorded sessions at a chosen pace and tells the server what happened.

Nights and weekends are skipped. Pace is held against the wall clock: a replay that fell behind catches up for a
while, then starts counting anew, so that it never rushes through minutes of market time at once.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Protocol

from core.clock import Clock, SystemClock
from data.exchange_calendar import Session
from paper_gateway.brokerage import Brokerage
from paper_gateway.market import Market, Step
from paper_gateway.price_path import STEP_S
from paper_gateway.types import BrokerageEvent

_MAX_CATCH_UP_S = 0.25
_SESSIONS_BEFORE = 63
_SETTLE_S = 0.25
"""Sessions of history that every symbol should have where a replay begins by default: a quarter."""


class ReplayState(StrEnum):
    """What the replay is doing."""

    WAITING = "waiting"  # for a client, before the first session
    RUNNING = "running"
    FINISHED = "finished"  # market frozen; the server goes on serving


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySettings:
    """How to replay.

    Attributes
    ----------
    start
        First session on or after this date; None: the earliest before which every symbol has a quarter of history.
    sessions
        How many; None: as long as there are prices.
    speed
        Market seconds in a second; ``inf`` for as fast as the machine can.
    wait_for_client
        Hold the clock at the first opening until ``release`` is called.
    barrier_s
        Every so many market seconds of a session wait for ``ReplayListener.barrier``; None: never.
    close_first
        Whether clients hear of the session's close (the auction, the DAY orders that end) before they get its last
        bar: what they decide on that bar then doesn't depend on which of the two they happen to read first.
    """

    start: date | None = None
    sessions: int | None = None
    speed: float = 1.0
    wait_for_client: bool = False
    barrier_s: int | None = None
    close_first: bool = False

    def __post_init__(self) -> None:
        if not self.speed > 0:
            raise ValueError(f"speed must be above 0: {self.speed}")
        if self.sessions is not None and self.sessions < 1:
            raise ValueError(f"sessions must be at least 1: {self.sessions}")
        if self.barrier_s is not None and (self.barrier_s < STEP_S or self.barrier_s % STEP_S):
            raise ValueError(f"a barrier must be a multiple of {STEP_S} s: {self.barrier_s}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayStatus:
    """Figures of the replay so far; ``effective_speed`` counts open sessions only."""

    state: ReplayState
    session: date | None
    sessions_done: int
    sessions_planned: int | None
    market_ns: int
    steps: int
    effective_speed: float
    barriers: int
    late_barriers: int


class ReplayListener(Protocol):
    """The server, as the replay sees it. Calls come in market order, on the event loop."""

    def on_session_open(self, session: Session, events: list[BrokerageEvent]) -> None:
        """Take what waiting orders did at the opening."""
        ...

    def on_step(self, step: Step, events: list[BrokerageEvent]) -> None:
        """Send bars and quotes of the step, and what working orders did in it."""
        ...

    def on_session_close(self, session: Session, events: list[BrokerageEvent]) -> None:
        """Take what the closing auction did, and which DAY orders expired."""
        ...

    async def barrier(self, market_ns: int) -> bool:
        """Flush, and wait for the clients that must keep up; False when one of them was late."""
        ...


@dataclass(slots=True)
class _Pace:
    """When the next step is due on the monotonic clock."""

    seconds_per_step: float
    clock: Clock
    due_ns: int = 0
    started_ns: int = 0
    running_ns: int = field(default=0)

    def start(self) -> None:
        self.started_ns = self.due_ns = self.clock.monotonic_ns()

    def stop(self) -> None:
        self.running_ns += self.clock.monotonic_ns() - self.started_ns
        self.started_ns = 0

    def elapsed_s(self) -> float:
        current = self.clock.monotonic_ns() - self.started_ns if self.started_ns else 0
        return (self.running_ns + current) / 1e9

    async def wait(self) -> None:
        """Sleep until the next step is due; let the sockets work in any case."""
        self.due_ns += round(self.seconds_per_step * 1e9)
        delay_s = (self.due_ns - self.clock.monotonic_ns()) / 1e9
        if delay_s < -_MAX_CATCH_UP_S:
            self.due_ns = self.clock.monotonic_ns()
        await asyncio.sleep(max(delay_s, 0.0))


class Replay:
    """Runs the sessions. Create it on the event loop, and await ``run`` as a task.

    Parameters
    ----------
    market, brokerage
        What is replayed, and what trades on it.
    settings
        How.
    listener
        The server.
    clock
        Wall pace is measured on its monotonic side.
    """

    def __init__(
        self,
        market: Market,
        brokerage: Brokerage,
        settings: ReplaySettings,
        listener: ReplayListener,
        clock: Clock | None = None,
    ) -> None:
        self._market = market
        self._brokerage = brokerage
        self._settings = settings
        self._listener = listener
        self._clock = clock if clock is not None else SystemClock()
        self._pace = _Pace(STEP_S / settings.speed, self._clock)
        self._released = asyncio.Event()
        self._starting: asyncio.TimerHandle | None = None
        self._finished = asyncio.Event()
        self._state = ReplayState.WAITING
        self._sessions_done = 0
        self._steps = 0
        self._barriers = 0
        self._late = 0
        self._first = self._find_first()
        market.set_time(self._first.open_ns)
        if not settings.wait_for_client:
            self._released.set()

    def release(self) -> None:
        """Let the clock start soon: a client is there. May be called again.

        It starts once nobody has called for a moment, so that a client that subscribes to several symbols gets the
        first bar of each, however fast the replay is.
        """
        if self._starting is not None:
            self._starting.cancel()
        self._starting = asyncio.get_running_loop().call_later(_SETTLE_S, self._released.set)

    async def wait_finished(self) -> None:
        """Return when the last session has closed."""
        await self._finished.wait()

    def status(self) -> ReplayStatus:
        """Figures so far."""
        session = self._market.session
        elapsed_s = self._pace.elapsed_s()
        return ReplayStatus(
            state=self._state,
            session=session.date if session is not None else None,
            sessions_done=self._sessions_done,
            sessions_planned=self._settings.sessions,
            market_ns=self._market.now_ns,
            steps=self._steps,
            effective_speed=self._steps * STEP_S / elapsed_s if elapsed_s else 0.0,
            barriers=self._barriers,
            late_barriers=self._late,
        )

    async def run(self) -> None:
        """Replay all sessions, then freeze the market."""
        await self._released.wait()
        self._state = ReplayState.RUNNING
        session: Session | None = self._first
        while session is not None and not self._is_done():
            following = self._next_traded(session)
            await self._run_session(session, following)
            self._sessions_done += 1
            session = following
        self._state = ReplayState.FINISHED
        self._finished.set()

    def _is_done(self) -> bool:
        return self._settings.sessions is not None and self._sessions_done >= self._settings.sessions

    async def _run_session(self, session: Session, following: Session | None) -> None:
        market, brokerage, listener = self._market, self._brokerage, self._listener
        market.open_session(session)
        listener.on_session_open(session, brokerage.on_session_open())
        # The coming session's tapes are made one by one during the first half of this one.
        prepare_every = max(session.duration_s // STEP_S // (2 * len(market.symbols)), 1)
        barrier_steps = self._settings.barrier_s // STEP_S if self._settings.barrier_s else 0
        self._pace.start()
        while True:
            await self._pace.wait()
            step = market.advance()
            self._steps += 1
            events = brokerage.on_step()
            if step.is_last and self._settings.close_first:
                events += brokerage.on_session_close()
            listener.on_step(step, events)
            if following is not None and step.index % prepare_every == 0:
                market.prepare(following)
            if step.is_last:
                market.close_session()
                closing = [] if self._settings.close_first else brokerage.on_session_close()
                listener.on_session_close(session, closing)
            if barrier_steps and ((step.index + 1) % barrier_steps == 0 or step.is_last):
                await self._hold(step.end_ns)
            if step.is_last:
                break
        self._pace.stop()

    async def _hold(self, market_ns: int) -> None:
        self._barriers += 1
        if not await self._listener.barrier(market_ns):
            self._late += 1

    def _find_first(self) -> Session:
        calendar = self._market.calendar
        start = self._settings.start or max(map(self._first_date, self._market.symbols))
        traded = (s for s in calendar.sessions(start, calendar.last_date) if self._market.trades_on(s))
        wanted = self._settings.sessions or 1
        found = list(itertools.islice(traded, 1 if self._settings.start else _SESSIONS_BEFORE + wanted))
        if not found:
            first = min(map(self._first_date, self._market.symbols))
            traded = (s for s in calendar.sessions(first, start) if self._market.trades_on(s))
            last = max((session.date for session in traded), default=first)
            raise ValueError(f"there are no prices on or after {start}: they go from {first} to {last}")
        if self._settings.start:
            return found[0]
        # As much history as there is to spare, but all the sessions that were asked for.
        return found[max(min(_SESSIONS_BEFORE, len(found) - wanted), 0)]

    def _first_date(self, symbol: str) -> date:
        first = self._market.calendar.session_at(self._market.head_ns(symbol))
        return first.date if first is not None else self._market.calendar.first_date

    def _next_traded(self, session: Session) -> Session | None:
        following = self._market.calendar.next_session(session.open_ns)
        while following is not None and not self._market.trades_on(following):
            following = self._market.calendar.next_session(following.open_ns)
        return following
