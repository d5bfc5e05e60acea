"""Keeps one session connected: connect, watch, give up, wait, connect again, until it is told to stop.

The keeper thread does all of it. It acts on what it observes (a link that ended, a probe without an answer), never
on a flag that the loss itself could clear.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

import structlog

from core.clock import Clock
from core.config_schema import BrokerSettings
from core.errors import RetryLater
from core.events import ConnectionChanged, Event
from core.ib_wrapper.backoff import Backoff
from core.ib_wrapper.link import ConnectFailed, Link
from core.ib_wrapper.liveness import Figures, Liveness
from core.ib_wrapper.pacing import PacingWindow
from core.ib_wrapper.state import Change, next_state
from core.vocabulary import ConnectionState
from core.wire_ring import WireRing

_TICK_S: Final = 0.1
# A connection that held for so long was a good one: the next loss starts with a short wait again.
_HELD_NS: Final = 10_000_000_000
_SAY_AGAIN_NS: Final = 30_000_000_000


_CONNECTED: Final = frozenset({ConnectionState.READY, ConnectionState.DEGRADED})


class Impairment(Enum):
    """Why a live connection can't be relied on."""

    SERVERS = "servers"
    FRAMES = "frames"


class Owner(Protocol):
    """The session, as its connection sees it. ``begin`` runs before the first message is read."""

    def begin(self, link: Link) -> Callable[[list[bytes]], None]:
        """Say who reads a new link, and send ``startApi`` over it."""

    def established(self, *, again: bool) -> None:
        """Hear that the handshake is complete; ``again`` when this isn't the first time."""

    def ended(self) -> None:
        """Hear that the link is gone."""

    def tick(self) -> None:
        """About every 0.1 s while connected."""

    def probe(self) -> None:
        """Ask the broker for anything."""


class Connection:
    """State of the connection and the thread that keeps it.

    Parameters
    ----------
    emit
        Takes each ``ConnectionChanged``.
    ring
        Takes a copy of each message, for the flight recorder.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        client_id: int,
        clock: Clock,
        emit: Callable[[Event], None],
        owner: Owner,
        log: structlog.typing.FilteringBoundLogger,
        ring: WireRing | None = None,
    ) -> None:
        self._ring = ring
        self._settings = settings
        self._client_id = client_id
        self._clock = clock
        self._emit = emit
        self._owner = owner
        self._log = log
        self._changed = threading.Condition(threading.RLock())
        self._stopping = threading.Event()
        self._state = ConnectionState.DISCONNECTED
        self._impairments: set[Impairment] = set()
        self._link: Link | None = None
        self._refusal: str | None = None
        self._backoff = Backoff(settings.reconnect_initial_s, settings.reconnect_max_s)
        self._said: tuple[str, int] | None = None
        self._thread = threading.Thread(target=self._run, name=f"ib-{client_id}-keeper", daemon=True)
        self.connects = 0
        self.failed = 0
        self.lost = 0
        self.bytes_before = 0

    # --- for the session ---------------------------------------------------------------------------------

    @property
    def state(self) -> ConnectionState:
        """State now."""
        return self._state

    @property
    def link(self) -> Link | None:
        """The present link."""
        return self._link

    def start(self) -> None:
        """Begin to connect and stay connected."""
        self._apply(Change.START, f"connecting to {self._settings.host}:{self._settings.port}")
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End the session and wait for the threads."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def wait_for(self, state: ConnectionState, timeout_s: float) -> bool:
        """Wait until the state is ``state``."""
        with self._changed:
            return self._changed.wait_for(lambda: self._state is state, timeout_s)

    def handshake_done(self) -> None:
        """Note that the broker has accepted the session (reader thread)."""
        with self._changed:
            if self._state is not ConnectionState.CONNECTING:
                return
            again = self.connects > 0
            self.connects += 1
            if self._impairments:
                self._apply(Change.ESTABLISHED_IMPAIRED, "connected, but TWS has no connection to IB")
            else:
                self._apply(Change.ESTABLISHED, "connected", data_lost=again)
        self._owner.established(again=again)

    def refuse(self, reason: str) -> None:
        """Note that the broker refuses the session (reader thread) and hang up, if it doesn't itself."""
        with self._changed:
            self._refusal = reason
            link = self._link
            connecting = self._state is ConnectionState.CONNECTING
        if connecting and link is not None:
            link.abort(reason)

    def impair(self, impairment: Impairment, reason: str) -> None:
        """Note that the connection can't be relied on for now."""
        with self._changed:
            if impairment in self._impairments:
                return
            self._impairments.add(impairment)
            if self._state in _CONNECTED:
                self._apply(Change.IMPAIRED, reason)

    def recover(self, impairment: Impairment, reason: str, *, data_lost: bool = False) -> None:
        """Note that an impairment has ended."""
        with self._changed:
            self._impairments.discard(impairment)
            if self._state is ConnectionState.DEGRADED and not self._impairments:
                self._apply(Change.RECOVERED, reason, data_lost=data_lost)
            elif data_lost:
                self._emit(ConnectionChanged(state=self._state, reason=reason, data_lost=True))

    # --- the keeper --------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                held = self._connect_and_watch()
                if held:
                    self._backoff.reset()
                if self._pause(self._backoff.next_s()):
                    self._apply(Change.RETRY, "connecting again")
        finally:
            self._end_link()
            with self._changed:
                if self._state is not ConnectionState.DISCONNECTED:
                    self._apply(Change.STOP, "stopped")

    def _connect_and_watch(self) -> bool:
        """One connection from its beginning to its end; True when it held for a while."""
        try:
            link = self._open()
        except ConnectFailed as error:
            self.failed += 1
            if not self._stopping.is_set():
                self._say("connect_failed", str(error))
                self._apply(Change.REFUSED, str(error))
            return False
        began_ns = self._clock.monotonic_ns()
        self._watch(link)
        # The thread that ended the link may not have come to report it yet.
        self._mark_lost(link.end_reason)
        self._end_link()
        return self._clock.monotonic_ns() - began_ns > _HELD_NS

    def _open(self) -> Link:
        """Connect, exchange versions, start the session and wait until the broker has accepted it."""
        deadline_ns = self._clock.monotonic_ns() + round(self._settings.connect_timeout_s * 1e9)
        self._refusal = None
        link = Link.connect(
            self._settings.host,
            self._settings.port,
            timeout_s=self._settings.connect_timeout_s,
            pacing=PacingWindow(self._settings.messages_per_second),
            clock=self._clock,
            stopping=self._stopping,
            name=f"ib-{self._client_id}",
            ring=self._ring,
        )
        with self._changed:
            self._impairments.clear()
            self._link = link
        on_payloads = self._owner.begin(link)
        link.start(on_payloads, lambda reason: self._on_lost(link, reason))
        with self._changed:
            while (
                self._state is ConnectionState.CONNECTING and not link.ended and not self._stopping.is_set()
            ):
                left_ns = deadline_ns - self._clock.monotonic_ns()
                if left_ns <= 0:
                    break
                self._changed.wait(min(_TICK_S, left_ns / 1e9))
            # It may have been accepted and lost again before this thread came to look.
            accepted = self._state is not ConnectionState.CONNECTING
        if accepted:
            return link
        reason = (
            self._refused_because() or link.outbox.failure or "the server did not accept the session in time"
        )
        link.abort(reason)
        self._end_link()
        raise ConnectFailed(reason)

    def _refused_because(self) -> str | None:
        with self._changed:
            return self._refusal

    def _watch(self, link: Link) -> None:
        """Probe and let the session work off its deadlines, until the link ends or a stop is asked for."""
        liveness = Liveness(self._settings.probe_interval_s, self._settings.probe_timeout_s)
        while not link.ended and not self._stopping.is_set():
            verdict = liveness.check(self._figures(link))
            if verdict.lost is not None:
                link.abort(verdict.lost)
                return
            # The link may end under our hands; the loop's condition sees it.
            with contextlib.suppress(RetryLater):
                if verdict.probe:
                    self._owner.probe()
                self._owner.tick()
            self._rest(link)

    def _rest(self, link: Link) -> None:
        """Sleep until the next look, or until something happens."""
        with self._changed:
            if not link.ended:
                self._changed.wait(_TICK_S)

    def _figures(self, link: Link) -> Figures:
        unacknowledged = link.unacknowledged_bytes()
        return Figures(
            now_ns=self._clock.monotonic_ns(),
            last_received_ns=link.last_received_ns,
            stalled_ns=link.outbox.stalled_ns(),
            acknowledged=link.outbox.bytes_sent - unacknowledged,
            unacknowledged=unacknowledged,
        )

    def _on_lost(self, link: Link, reason: str) -> None:
        """Note that a link has ended by itself; called on whichever thread noticed."""
        with self._changed:
            if link is self._link:
                self._mark_lost(reason)
                self._changed.notify_all()

    def _mark_lost(self, reason: str) -> None:
        """Leave the connected states, once a link."""
        with self._changed:
            if self._state not in _CONNECTED or self._stopping.is_set():
                return
            self.lost += 1
            self._say("connection_lost", reason)
            self._apply(Change.LINK_LOST, reason)

    def _end_link(self) -> None:
        with self._changed:
            link, self._link = self._link, None
        if link is not None:
            link.close()
            self._owner.ended()
            link.join(2.0)
            self.bytes_before += link.bytes_received

    def _pause(self, seconds: float) -> bool:
        """Wait between attempts; False when a stop was asked for meanwhile."""
        return not self._stopping.wait(seconds)

    def _apply(self, change: Change, reason: str, *, data_lost: bool = False) -> None:
        with self._changed:
            before, self._state = self._state, next_state(self._state, change)
            self._log.info("connection", state=self._state.value, was=before.value, reason=reason)
            self._emit(ConnectionChanged(state=self._state, reason=reason, data_lost=data_lost))
            self._changed.notify_all()

    def _say(self, event: str, reason: str) -> None:
        """Warn, but not with every attempt of a long outage."""
        now = self._clock.monotonic_ns()
        if self._said is not None and self._said[0] == reason and now - self._said[1] < _SAY_AGAIN_NS:
            return
        self._said = (reason, now)
        self._log.warning(event, reason=reason, client_id=self._client_id)
