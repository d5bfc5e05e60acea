"""The watchdog's heartbeat (signed, by ZMQ, and as a file) and its log of check results for humans."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from pathlib import Path

import structlog

from core.atomic_file import write_atomic
from core.canonical import dump
from core.clock import Clock
from core.csv_log import CsvLog
from core.identity import Identity
from core.ipc import HeartbeatPublisher
from core.locks import process_start_ticks
from risk.checks.verdict import Verdict

RISK_LOG_HEADER = ("wall_iso", "monotonic_ns", "run_id", "name", "status", "detail", "figures")


class StatusPublisher:
    """Says what the watchdog is doing.

    Parameters
    ----------
    file
        ``logs/risk_monitor_heartbeat.json``, replaced each time.
    log
        ``logs/risk_log.csv``, with the columns ``RISK_LOG_HEADER``; opened with the first row.
    """

    def __init__(
        self,
        publisher: HeartbeatPublisher,
        *,
        file: Path,
        log: Path,
        identity: Identity,
        clock: Clock,
    ) -> None:
        self._publisher, self._file, self._rows_file = publisher, file, log
        self._rows: CsvLog | None = None
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
        moment = dt.datetime.fromtimestamp(self._clock.now_ns() / 1e9, dt.UTC)
        row = (
            moment.isoformat(timespec="milliseconds"),
            self._clock.monotonic_ns(),
            self._identity.run_id,
            verdict.name,
            verdict.status.value,
            verdict.detail,
            figures,
        )
        try:
            if self._rows is None:
                self._rows = CsvLog(self._rows_file, RISK_LOG_HEADER)
            self._rows.append(row)
        except OSError as error:
            self._log.error("risk_log_failed", error=str(error))
