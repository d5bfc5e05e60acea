"""Logging: JSON lines in a file of each process, one line of plain text for people on the terminal.

Use ``structlog.get_logger(__name__)`` and snake_case event names. Text from outside is escaped on its way, so that
it can neither forge a line nor command a terminal; values whose key names a secret are not shown. A log that
can't be written is counted and never stops the process: trading must not depend on it.
"""

from __future__ import annotations

import datetime as dt
import logging as stdlib_logging
import os
import sys
import threading
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, TextIO

import structlog

from core.canonical import dump
from core.config_schema import LoggingSettings
from core.rotating_file import RotatingFile
from core.secrets import redact
from core.text import escape

EventDict = MutableMapping[str, Any]
_LEVELS = {
    "debug": stdlib_logging.DEBUG,
    "info": stdlib_logging.INFO,
    "warning": stdlib_logging.WARNING,
    "error": stdlib_logging.ERROR,
}
_COLOURS = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[1;31m"}
_RESET = "\x1b[0m"
_HIDDEN_ON_TERMINAL = frozenset({"event", "level", "time", "logger", "process", "run_id", "exception"})
_MAX_LINE_BYTES = 32_000


class LogOutput:
    """Where the lines of one process go.

    Parameters
    ----------
    path
        JSON file.
    settings
        Level, size and number of files.
    constant
        Keys of every line (process, run id).
    terminal
        Text stream for people.
    """

    def __init__(
        self, path: Path, settings: LoggingSettings, *, constant: Mapping[str, str], terminal: TextIO
    ) -> None:
        self._file = RotatingFile(path, max_bytes=settings.max_bytes, backups=settings.backups)
        self._constant = dict(constant)
        self._terminal: TextIO | None = terminal
        self._is_coloured = terminal.isatty() and "NO_COLOR" not in os.environ
        self._lock = threading.RLock()  # a signal handler may log while its own thread does
        self.lost = 0

    def emit(self, event: EventDict) -> None:
        """Write one event to the file and the terminal."""
        exception = event.pop("exception", None)
        event = {key: _harmless(redact(key, value)) for key, value in event.items()}
        moment = dt.datetime.now(dt.UTC)
        with self._lock:
            self._write_json({"time": moment.isoformat(), **self._constant, **event}, exception)
            self._write_human(moment, event, exception)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _write_json(self, event: EventDict, exception: str | None) -> None:
        if exception is not None:
            event["exception"] = exception
        line = dump(event)
        if len(line) > _MAX_LINE_BYTES:
            line = dump(
                {key: escape(str(event.get(key)), 1000) for key in ("time", "level", "event")} | {"cut": True}
            )
        try:
            self._file.write(line.encode() + b"\n")
        except OSError:
            self.lost += 1

    def _write_human(self, moment: dt.datetime, event: EventDict, exception: str | None) -> None:
        if self._terminal is None:
            return
        level = str(event.get("level", "info"))
        rest = " ".join(f"{key}={value}" for key, value in event.items() if key not in _HIDDEN_ON_TERMINAL)
        text = f"{moment:%H:%M:%S} {level:<8} {str(event.get('event', '')).replace('_', ' ')}"
        line = f"{text}  {rest}" if rest else text
        if self._is_coloured and level in _COLOURS:
            line = f"{_COLOURS[level]}{line}{_RESET}"
        for part in (exception or "").splitlines():
            line += f"\n    {escape(part)}"
        try:
            self._terminal.write(line + "\n")
            self._terminal.flush()
        except (OSError, ValueError):  # the terminal has gone away: the file goes on
            self._terminal = None


class _Logger:
    """What structlog calls at the end of its chain."""

    def __init__(self, output: LogOutput, name: str) -> None:
        self._output = output
        self.name = name

    def emit(self, event: EventDict) -> None:
        self._output.emit(event)

    debug = info = warning = warn = error = err = critical = fatal = exception = msg = log = failure = emit


class _StdlibHandler(stdlib_logging.Handler):
    """Brings the lines of libraries that use ``logging`` into the same file."""

    def __init__(self, output: LogOutput) -> None:
        super().__init__(stdlib_logging.WARNING)
        self._output = output

    def emit(self, record: stdlib_logging.LogRecord) -> None:
        event: EventDict = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        if record.exc_info:
            event["exception"] = stdlib_logging.Formatter().formatException(record.exc_info)
        self._output.emit(event)


def setup(
    process: str,
    settings: LoggingSettings,
    logs: Path,
    *,
    run_id: str = "",
    terminal: TextIO | None = None,
) -> LogOutput:
    """Configure structlog and the standard library's logging for this process.

    Parameters
    ----------
    process
        Name of the process; its file is ``logs/<process>.log``.
    settings
        The ``logging`` section.
    logs
        Folder of the logs.
    run_id
        Written with every line.
    terminal
        Stream for people; standard output if None.

    Raises
    ------
    OSError
        When the file can't be opened.
    """
    constant = {"process": process} | ({"run_id": run_id} if run_id else {})
    output = LogOutput(logs / f"{process}.log", settings, constant=constant, terminal=terminal or sys.stdout)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            _finish,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.level]),
        logger_factory=lambda *names: _Logger(output, str(names[0]) if names else process),
        cache_logger_on_first_use=False,
    )
    root = stdlib_logging.getLogger()
    for handler in [one for one in root.handlers if isinstance(one, _StdlibHandler)]:
        root.removeHandler(handler)
    root.addHandler(_StdlibHandler(output))
    return output


def log_uncaught_errors() -> None:
    """Write errors that end a thread or the process to the log, too."""
    log = structlog.get_logger("uncaught")

    def of_thread(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            name = arguments.thread.name if arguments.thread else "?"
            log.critical("thread_ended_by_an_error", thread=name, exc_info=arguments.exc_value)

    def of_process(kind: type[BaseException], error: BaseException, trace: Any) -> None:  # noqa: ANN401 - Python's own hook
        if not issubclass(kind, KeyboardInterrupt):
            log.critical("process_ended_by_an_error", exc_info=(kind, error, trace))

    threading.excepthook = of_thread
    sys.excepthook = of_process


def _finish(logger: _Logger, _method: str, event: EventDict) -> tuple[tuple[EventDict], dict[str, Any]]:
    return ({"logger": logger.name, **event},), {}


def _harmless(value: object) -> object:
    """``value`` as something that can be written: numbers as they are, anything else as escaped text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {escape(str(key), 100): _harmless(redact(str(key), item)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_harmless(item) for item in value]
    return escape(str(value))
