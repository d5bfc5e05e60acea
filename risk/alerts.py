"""Alerts to the operator: always in the log, on the terminal and in the journal; elsewhere through a helper process.

Nothing slow or heavy runs inside the watchdog: ``risk.alert_helper`` imports apprise and talks to the network, this
side only writes lines into a pipe and never waits for it.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

import structlog

from core.clock import Clock
from core.config_schema import AlertSettings
from core.records import RecordKind
from risk.recorder import Recorder

_REPEAT_NS = 60_000_000_000
_CUT = " [cut]"


class Severity(StrEnum):
    """How urgent an alert is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Alerts:
    """Tells the operator, at most once a minute for the same ``key``."""

    def __init__(self, recorder: Recorder, clock: Clock, helper: AlertHelper | None = None) -> None:
        self._recorder = recorder
        self._clock = clock
        self._helper = helper
        self._log = structlog.get_logger("alerts")
        self._told_at: dict[str, int] = {}

    def tell(self, severity: Severity, text: str, *, key: str | None = None) -> None:
        """Give out an alert. ``key`` names what it is about; None: it is always given out."""
        now = self._clock.monotonic_ns()
        if key is not None:
            told_at = self._told_at.get(key)
            if told_at is not None and now - told_at < _REPEAT_NS:
                return
            self._told_at[key] = now
        log = self._log.critical if severity is Severity.CRITICAL else self._log.warning
        log("alert", severity=severity.value, text=text)
        if self._helper is not None:
            self._helper.send(severity.value, text)
        self._recorder.write(RecordKind.ALERT, {"severity": severity.value, "text": text})

    def forget(self, key: str) -> None:
        """Note that the trouble named ``key`` is over, so that the next one is told at once."""
        self._told_at.pop(key, None)

    def close(self) -> None:
        """End the helper."""
        if self._helper is not None:
            self._helper.close()


class AlertHelper:
    """The process that sends alerts to apprise's services."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._log = structlog.get_logger("alerts")
        self.dropped = 0
        # The addresses hold secrets: they go through the pipe, not on a command line that anybody can read.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "risk.alert_helper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parent.parent,
        )
        if self._process.stdin is None:  # pragma: no cover - PIPE was asked for
            raise RuntimeError("the alert helper has no pipe")
        self._pipe = self._process.stdin.fileno()
        os.set_blocking(self._pipe, False)
        self._write(_line({"urls": list(urls)}))  # however long: the pipe is empty

    @classmethod
    def from_settings(cls, settings: AlertSettings, environ: Mapping[str, str]) -> AlertHelper | None:
        """Start a helper when the configuration names services whose addresses the environment holds."""
        urls = [environ[name] for name in settings.apprise_url_env if environ.get(name)]
        return cls(urls) if urls else None

    def send(self, severity: str, text: str) -> None:
        """Hand an alert over; when the pipe is full or broken it is dropped, counted and logged."""
        self._write(alert_line(severity, text))

    def close(self) -> None:
        """Let it send what it has, then end it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _write(self, line: bytes) -> None:
        try:
            os.write(self._pipe, line)
        except OSError as error:
            self.dropped += 1
            self._log.warning("alert_not_handed_over", error=str(error), dropped=self.dropped)


def alert_line(severity: str, text: str) -> bytes:
    """Write an alert as a line that a pipe takes wholly or not at all; a text that is too long for it is cut."""
    whole = _line({"severity": severity, "text": text})
    if len(whole) <= select.PIPE_BUF:
        return whole
    room = select.PIPE_BUF - len(_line({"severity": severity, "text": _CUT}))
    kept = 0
    for character in text:
        room -= len(json.dumps(character)) - len('""')  # escaped, it takes up to twelve bytes
        if room < 0:
            break
        kept += 1
    return _line({"severity": severity, "text": text[:kept] + _CUT})


def _line(document: Mapping[str, object]) -> bytes:
    return (json.dumps(document) + "\n").encode()
