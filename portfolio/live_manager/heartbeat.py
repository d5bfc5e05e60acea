"""Main's sign of life: signed over ZMQ for the watchdog, and as a file for its second channel and the panel."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import structlog

from core.atomic_file import write_atomic
from core.canonical import dump
from core.clock import Clock
from core.event_queue import EventQueue
from core.identity import Identity
from core.ipc.heartbeat import HeartbeatPublisher
from core.locks import process_start_ticks
from portfolio.live_manager.status import RunStatus


class Heartbeat:
    """Sends what `RunStatus` says, from the engine's own thread.

    Parameters
    ----------
    publisher, file
        The two channels.
    identity, clock, status, queue
        Whose sign of life it is, and what it tells.
    interval_s
        Time between two.
    positions, working_orders
        Net positions by symbol and the number of live orders, asked at each heartbeat.
    """

    def __init__(
        self,
        *,
        publisher: HeartbeatPublisher,
        file: Path,
        identity: Identity,
        clock: Clock,
        status: RunStatus,
        queue: EventQueue,
        interval_s: float,
        positions: Callable[[], dict[str, Decimal]],
        working_orders: Callable[[], int],
    ) -> None:
        self._publisher = publisher
        self._file = file
        self._identity = identity
        self._clock = clock
        self._status = status
        self._queue = queue
        self._interval_ns = round(interval_s * 1e9)
        self._positions = positions
        self._working_orders = working_orders
        self._log = structlog.get_logger(__name__)
        self._due_ns = 0
        self._sequence = 0
        self._file_failed = False
        self._start_ticks = process_start_ticks(os.getpid())
        self.events_processed = 0
        """Events that the engine has dealt with: its progress."""

    def is_due(self, now_ns: int) -> bool:
        """Whether the next one should go out."""
        return now_ns >= self._due_ns

    def send(self, now_ns: int) -> None:
        """Send one on both channels. A full disk doesn't silence the signed one."""
        self._due_ns = now_ns + self._interval_ns
        self._sequence += 1
        body = self._status.heartbeat_body(
            pid=os.getpid(),
            start_ticks=self._start_ticks or 0,
            events_processed=self.events_processed,
            queue_depth=self._queue.depth(),
            positions=self._positions(),
            working=self._working_orders(),
        )
        self._publisher.publish(body)
        self._write(body)

    def _write(self, body: dict[str, object]) -> None:
        document = {
            "sequence": self._sequence,
            "run_id": self._identity.run_id,
            "boot_id": self._identity.boot_id,
            "monotonic_ns": self._clock.monotonic_ns(),
            "wall_ns": self._clock.now_ns(),
            "body": body,
        }
        try:
            write_atomic(self._file, dump(document).encode(), durable=False)
        except OSError as error:
            if not self._file_failed:  # once: the file is the second channel only
                self._log.error("heartbeat_file_failed", file=str(self._file), error=str(error))
            self._file_failed = True
        else:
            self._file_failed = False
