"""Sends requests over the present connection, if there is one."""

from __future__ import annotations

import threading
from typing import Final

from core.errors import NotConnected
from core.ib_wrapper.encoder import Encoder
from core.ib_wrapper.link import Link
from core.ib_wrapper.outbox import Ticket, TicketState

# A caller never waits longer for the kernel: below the time in which a silent process counts as dead.
HANDOFF_TIMEOUT_S: Final = 2.0


class Sender:
    """The way out. It knows the present link and its encoder, and nothing of what the messages mean."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._way: tuple[Link, Encoder] | None = None
        self._sent_before = 0

    def attach(self, link: Link, encoder: Encoder) -> None:
        """Send over this link from now on."""
        with self._lock:
            self._way = (link, encoder)

    def detach(self) -> None:
        """There is no link any more."""
        with self._lock:
            if self._way is not None:
                self._sent_before += self._way[0].outbox.sent
            self._way = None

    @property
    def sent(self) -> int:
        """Messages handed to the kernel since the session was made."""
        with self._lock:
            return self._sent_before + (self._way[0].outbox.sent if self._way else 0)

    def present(self) -> tuple[Link, Encoder]:
        """Give the link and its encoder.

        Raises
        ------
        NotConnected
            If there is none.
        """
        way = self._way
        if way is None:
            raise NotConnected("there is no connection to the broker")
        return way

    def send(self, request: str, *arguments: object, urgent: bool = False) -> Ticket:
        """Encode a request and hand it in; return without waiting.

        Raises
        ------
        NotConnected
            If there is no connection.
        Rejected
            If ibapi refuses the arguments.
        """
        link, encoder = self.present()
        return link.outbox.submit(encoder.encode(request, *arguments), urgent=urgent)

    def deliver(self, request: str, *arguments: object, urgent: bool = False) -> None:
        """Send a request and return when the kernel has all of it, or raise: then the broker can't have it.

        Raises
        ------
        NotConnected
            If there is no connection, it failed, or the kernel didn't take the message in time.
        Rejected
            If ibapi refuses the arguments.
        """
        link, encoder = self.present()
        outbox = link.outbox
        ticket = outbox.submit(encoder.encode(request, *arguments), urgent=urgent)
        state = ticket.state
        if state is not TicketState.SENT:
            state = outbox.wait(ticket, HANDOFF_TIMEOUT_S)
        if state is TicketState.QUEUED:
            state = outbox.withdraw(ticket)
        if state is TicketState.WRITING:
            # Part of it is out and the peer takes no more. Only a reset makes sure that the rest never follows.
            link.abort("the peer takes none of our bytes (its window is closed)")
            state = ticket.state
        if state is not TicketState.SENT:
            raise NotConnected(f"{request} was not sent: {outbox.failure or 'the message queue is full'}")
