"""Main's heartbeats from two sources: the signed ZMQ channel, and the file that main replaces beside it.

The file is the second source: a message lost on the way (a slow joiner, a full queue) is no death. Ages are measured
on the monotonic clock with which main stamped them, so a wall clock that jumps changes nothing, and a file of an
earlier run or of before a reboot does not count.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from core.clock import Clock
from core.ipc import HeartbeatListener
from core.locks import LockOwner, machine_boot_id
from risk.checks.heartbeat import HeartbeatView

_FILE_INTERVAL_NS = 250_000_000
_MAX_BYTES = 256 * 1024


class HeartbeatWatch:
    """Follows main.

    Parameters
    ----------
    listener
        The signed channel.
    file
        ``logs/main_heartbeat.json``.
    run_id
        Only heartbeats of this run count.
    """

    def __init__(self, listener: HeartbeatListener, *, file: Path, run_id: str, clock: Clock) -> None:
        self._listener = listener
        self._file = file
        self._run_id = run_id
        self._clock = clock
        self._file_read_ns = 0
        self._beat_ns: int | None = None
        self._progress_ns = 0
        self._events = -1
        self.body: Mapping[str, Any] = {}

    def poll(self) -> bool:
        """Take what has arrived; whether main was heard."""
        message = self._listener.poll()
        if message is not None:
            self._take(message.monotonic_ns, message.body)
            return True
        now = self._clock.monotonic_ns()
        if now - self._file_read_ns < _FILE_INTERVAL_NS:
            return False
        self._file_read_ns = now
        return self._read_file(now)

    @property
    def phase(self) -> str:
        """Main's phase as it last said; empty when it was never heard."""
        return str(self.body.get("phase", ""))

    @property
    def halt_reason(self) -> str:
        """Why main has halted by itself, as it last said; empty when it has not."""
        return str(self.body.get("halt_reason") or "")

    @property
    def overdue_orders(self) -> str:
        """Orders of main about which the broker owes an answer; empty when there are none."""
        found = self.body.get("overdue_orders")
        return ", ".join(str(one) for one in found[:10]) if isinstance(found, list) else ""

    @property
    def process(self) -> LockOwner | None:
        """Main's process by its heartbeats; None when it was never heard or does not say."""
        pid, ticks = self.body.get("pid"), self.body.get("start_ticks")
        if type(pid) is not int or pid <= 0 or type(ticks) is not int:
            return None
        return LockOwner(
            pid=pid, run_id=self._run_id, boot_id="", start_ticks=ticks, machine_boot_id=machine_boot_id()
        )

    def view(self) -> HeartbeatView:
        """Return what the checks see."""
        now = self._clock.monotonic_ns()
        if self._beat_ns is None:
            return HeartbeatView(armed=False)
        return HeartbeatView(
            armed=True,
            stopped=self.phase == "stopped",
            starting=self.phase in {"starting", "warming"},
            process_lives=self._process_lives(),
            age_s=(now - self._beat_ns) / 1e9,
            progress_age_s=(now - self._progress_ns) / 1e9,
            queue_depth=_whole(self.body.get("queue_depth")),
        )

    def positions(self) -> dict[str, Decimal] | None:
        """Main's book, or None while main does not trade or what it says can't be read."""
        found = self.body.get("positions")
        if self.phase != "trading" or not isinstance(found, dict):
            return None
        try:
            book = {str(symbol): Decimal(str(quantity)) for symbol, quantity in found.items()}
        except InvalidOperation:
            return None
        # No number is no book: a NaN would differ from everything.
        return book if all(quantity.is_finite() for quantity in book.values()) else None

    def _take(self, beat_ns: int, body: Mapping[str, Any]) -> None:
        if self._beat_ns is not None and beat_ns <= self._beat_ns:
            return
        self._beat_ns, self.body = beat_ns, body
        events = _whole(body.get("events_processed"))
        if events != self._events or not _whole(body.get("queue_depth")):
            self._events, self._progress_ns = events, self._clock.monotonic_ns()

    def _read_file(self, now_ns: int) -> bool:
        try:
            with self._file.open("rb") as file:
                document = json.loads(file.read(_MAX_BYTES))
            beat_ns, body = document["monotonic_ns"], document["body"]
            fits = (
                document["run_id"] == self._run_id
                and type(beat_ns) is int
                and beat_ns >= 0
                and isinstance(body, dict)
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return False
        if not fits or beat_ns > now_ns or (self._beat_ns is not None and beat_ns <= self._beat_ns):
            return False
        self._take(beat_ns, body)
        return True

    def _process_lives(self) -> bool | None:
        process = self.process
        return None if process is None else process.is_running()


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
