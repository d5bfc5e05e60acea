"""Exit codes of every process, so that a supervisor can tell what happened without reading a log."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a process's end means."""

    CLEAN = 0
    """Ended as asked; Ctrl-C and SIGTERM are graceful stops."""
    INTERNAL_ERROR = 1
    """Something that should not happen; the log says what."""
    USAGE = 2
    """Bad configuration or command line; nothing was started."""
    HALTED = 3
    """Halted or killed during the run."""
    REFUSED_KILL_FLAG = 4
    """Refused to start because a kill flag stands."""
    ALREADY_RUNNING = 5
    """Another instance holds the lock."""
    BROKER_REFUSED = 6
    """The account does not match, or there was no connection in time."""
