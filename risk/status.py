"""The watchdog's heartbeat (signed, by ZMQ, and as a file) and its log of check results for humans."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from core.atomic_file import write_atomic
from core.canonical import dump
from core.clock import Clock
from core.identity import Identity
from core.ipc import HeartbeatPublisher
from core.locks import process_start_ticks
from risk.checks.verdict import Verdict


class StatusPublisher:
    """Says what the watchdog is doing.

    Parameters
    ----------
    file
        ``logs/risk_monitor_heartbeat.json``, replaced each time.
    append_row
        Appends one line to ``logs/risk_log.csv``.
    """

    def __init__(
        self,
        publisher: HeartbeatPublisher,
        *,
        file: Path,
        append_row: Callable[[Mapping[str, object]], None],
        identity: Identity,
        clock: Clock,
    ) -> None:
        self._publisher, self._file, self._append_row = publisher, file, append_row
        self._identity, self._clock = identity, clock
        self._pid = os.getpid()
        self._ticks = process_start_ticks(self._pid)
        self._log = structlog.get_logger("status")
        self._file_failed = False

    def publish(self, body: Mapping[str, object]) -> None:
        """Send a heartbeat and replace the file; a full disk only costs the file."""
        whole = {"pid": self._pid, "start_ticks": self._ticks, **body}
        self._publisher.publish(whole)
        document = {
            "run_id": self._identity.run_id,
            "boot_id": self._identity.boot_id,
            "monotonic_ns": self._clock.monotonic_ns(),
            "body": whole,
        }
        try:
            write_atomic(self._file, dump(document).encode(), durable=False, mode=0o644)
            self._file_failed = False
        except OSError as error:
            if not self._file_failed:
                self._log.error("heartbeat_file_failed", error=str(error))
            self._file_failed = True

    def row(self, verdict: Verdict) -> None:
        """Append the outcome of a check."""
        figures = " ".join(f"{key}={value}" for key, value in verdict.figures.items())
        self._append_row(
            {
                "name": verdict.name,
                "status": verdict.status.value,
                "detail": verdict.detail,
                "figures": figures,
            }
        )
