"""What execution needs from its surroundings, as small protocols.

``core.ib_wrapper.IBSession`` is the broker, ``core.journal.Journal`` the journal and
``core.csv_log.OrderSubmissionLog`` the submission log.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Protocol

from core.events import BrokerSnapshot, Order
from core.records import RecordKind


class BrokerPort(Protocol):
    """The part of the broker session that sends orders."""

    def next_order_id(self) -> int:
        """Return an id that was never used."""
        ...

    def place(
        self, order_id: int, order: Order, *, parent_id: int | None = None, transmit: bool = True
    ) -> None:
        """Send an order, or amend it when ``order_id`` is known; return when the bytes are in the kernel.

        Raises
        ------
        NotConnected
            Nothing was sent. Any other error leaves open whether it was.
        """
        ...

    def cancel(self, order_id: int) -> None:
        """Ask for the end of one of our orders."""
        ...

    def request_snapshot(self) -> Future[BrokerSnapshot]:
        """Ask for positions, open orders, executions and account values."""
        ...


class JournalPort(Protocol):
    """The append-only journal."""

    def append(self, kind: RecordKind, payload: Mapping[str, object]) -> int:
        """Write one record, durable on return (inside a batch: when the batch ends)."""
        ...

    def batch(self) -> AbstractContextManager[object]:
        """Write several records in one durable transaction, all or none."""
        ...


class SubmissionPort(Protocol):
    """The watchdog's second channel: one line for every order that is about to leave."""

    def record(self, order: Order) -> None:
        """Write one line."""
        ...
