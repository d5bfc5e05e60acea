"""What leaves the socket, in which order, and when.

Two lanes: cancels and probes are urgent, all else is normal. Whoever hands in a message tries to send it at once
on its own thread, so that an idle connection costs no thread switch; what must wait, for the pacing window or for
the kernel, is sent by the writer thread. A message that was not handed to the kernel completely can never reach the
broker as a whole, because a failed outbox sends nothing more and its connection is reset: that is why a ticket
that failed means "certainly not sent".
"""

from __future__ import annotations

import select
import socket
import threading
from collections import deque
from enum import Enum
from typing import Final

from core.clock import Clock
from core.errors import NotConnected, RetryLater
from core.ib_wrapper.pacing import PacingWindow
from core.wire_ring import WireRing

_MAX_QUEUED: Final = 10_000
_POLL_MS: Final = 50


class TicketState(Enum):
    """How far a message has come."""

    QUEUED = "queued"
    WRITING = "writing"
    SENT = "sent"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


class Ticket:
    """One message on its way out; ``sent_monotonic_ns`` is when the kernel had all of it."""

    __slots__ = ("frame", "sent_monotonic_ns", "state", "urgent")

    def __init__(self, frame: bytes, *, urgent: bool) -> None:
        self.frame = frame
        self.urgent = urgent
        self.state = TicketState.QUEUED
        self.sent_monotonic_ns: int | None = None


class Outbox:
    """Sends frames through a non-blocking socket.

    Parameters
    ----------
    connection
        A connected, non-blocking socket; it is never closed here.
    ring
        Takes a copy of each message that was sent, for the flight recorder.
    """

    def __init__(
        self, connection: socket.socket, pacing: PacingWindow, clock: Clock, ring: WireRing | None = None
    ) -> None:
        self._ring = ring
        self._connection = connection
        self._pacing = pacing
        self._clock = clock
        self._changed = threading.Condition()
        self._urgent: deque[Ticket] = deque()
        self._normal: deque[Ticket] = deque()
        self._writing: Ticket | None = None
        self._rest: memoryview = memoryview(b"")
        self._stalled_since_ns: int | None = None
        self._failure: str | None = None
        self.sent = 0
        self.bytes_sent = 0

    # --- for callers -------------------------------------------------------------------------------------

    def submit(self, frame: bytes, *, urgent: bool) -> Ticket:
        """Hand in a frame; it is sent at once when its lane may send.

        Raises
        ------
        NotConnected
            If the connection has failed.
        RetryLater
            If absurdly many messages wait already.
        """
        with self._changed:
            if self._failure is not None:
                raise NotConnected(self._failure)
            lane = self._urgent if urgent else self._normal
            if len(lane) >= _MAX_QUEUED:
                raise RetryLater(f"{_MAX_QUEUED} messages wait to be sent")
            ticket = Ticket(frame, urgent=urgent)
            lane.append(ticket)
            self._pump()
            if ticket.state is not TicketState.SENT:
                self._changed.notify_all()
            return ticket

    def wait(self, ticket: Ticket, timeout_s: float) -> TicketState:
        """Wait until the kernel has the frame or it failed; return the state at the end of the wait."""
        deadline_ns = self._clock.monotonic_ns() + round(timeout_s * 1e9)
        with self._changed:
            while ticket.state in {TicketState.QUEUED, TicketState.WRITING}:
                left_ns = deadline_ns - self._clock.monotonic_ns()
                if left_ns <= 0:
                    break
                self._changed.wait(left_ns / 1e9)
            return ticket.state

    def withdraw(self, ticket: Ticket) -> TicketState:
        """Take a frame back of which no byte was sent yet; return its state afterwards."""
        with self._changed:
            if ticket.state is TicketState.QUEUED:
                (self._urgent if ticket.urgent else self._normal).remove(ticket)
                ticket.state = TicketState.WITHDRAWN
            return ticket.state

    def fail(self, reason: str) -> None:
        """Send nothing more; every frame that the kernel doesn't have completely has failed."""
        with self._changed:
            self._fail(reason)

    @property
    def failure(self) -> str | None:
        """Why nothing is sent any more, None while all is well."""
        return self._failure

    def available(self, *, urgent: bool) -> int:
        """Messages that could leave now without waiting for the pacing window."""
        with self._changed:
            lane = self._urgent if urgent else self._normal
            free = self._pacing.available(self._clock.monotonic_ns(), urgent=urgent)
            return max(0, free - len(lane))

    def stalled_ns(self) -> int:
        """How long the kernel has refused bytes that wait; 0 when it takes them."""
        with self._changed:
            if self._stalled_since_ns is None:
                return 0
            return self._clock.monotonic_ns() - self._stalled_since_ns

    def wait_empty(self, timeout_s: float) -> bool:
        """Wait until the kernel has everything that was handed in, or nothing more will be sent."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._writing is None and not self._urgent and not self._normal, timeout_s
            )

    # --- the writer thread -------------------------------------------------------------------------------

    def run_writer(self) -> None:
        """Send what had to wait, until the outbox fails."""
        writable = select.poll()
        writable.register(self._connection, select.POLLOUT)
        while True:
            with self._changed:
                if self._failure is not None:
                    return
                self._pump()
                blocked = self._writing is not None
                if not blocked and self._failure is None:
                    self._changed.wait(self._pause_s())
            if blocked:
                # Outside the lock, so that nobody waits on it while the peer takes nothing.
                writable.poll(_POLL_MS)

    def _pause_s(self) -> float | None:
        """Seconds until a waiting message may leave; None to wait for a new one."""
        now_ns = self._clock.monotonic_ns()
        if self._urgent:
            return self._pacing.wait_ns(now_ns, urgent=True) / 1e9
        if self._normal:
            return self._pacing.wait_ns(now_ns, urgent=False) / 1e9
        return None

    # --- under the lock ----------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Send as much as the pacing window and the kernel allow now."""
        while self._failure is None:
            if self._writing is None and not self._take_next():
                return
            if not self._push():
                return

    def _take_next(self) -> bool:
        """Choose the next frame; False when none may leave now."""
        now_ns = self._clock.monotonic_ns()
        lane = self._urgent or self._normal
        if not lane or not self._pacing.available(now_ns, urgent=lane is self._urgent):
            return False
        self._writing = lane.popleft()
        self._writing.state = TicketState.WRITING
        self._rest = memoryview(self._writing.frame)
        self._pacing.record(now_ns)
        return True

    def _push(self) -> bool:
        """Give the current frame to the kernel; True when it has all of it."""
        assert self._writing is not None
        try:
            count = self._connection.send(self._rest)
        except (BlockingIOError, InterruptedError):
            count = 0
        except OSError as error:
            self._fail(f"sending failed: {error}")
            return False
        now_ns = self._clock.monotonic_ns()
        self.bytes_sent += count
        self._rest = self._rest[count:]
        if self._rest:
            if count or self._stalled_since_ns is None:
                self._stalled_since_ns = now_ns
            return False
        self._stalled_since_ns = None
        self._writing.state = TicketState.SENT
        self._writing.sent_monotonic_ns = now_ns
        if self._ring is not None:
            self._ring.sent(self._writing.frame[4:])  # without its length
        self._writing = None
        self.sent += 1
        self._changed.notify_all()
        return True

    def _fail(self, reason: str) -> None:
        if self._failure is not None:
            return
        self._failure = reason
        waiting = [*self._urgent, *self._normal]
        if self._writing is not None:
            waiting.append(self._writing)
        for ticket in waiting:
            ticket.state = TicketState.FAILED
        self._urgent.clear()
        self._normal.clear()
        self._writing = None
        self._stalled_since_ns = None
        self._changed.notify_all()
