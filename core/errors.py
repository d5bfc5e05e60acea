"""Errors, named by what the caller should do about them.

A risk denial is a value with a reason code, never an exception. An order submission is never retried.
"""

from __future__ import annotations

from collections.abc import Sequence


class BackstopError(Exception):
    """Root of every error that Backstop raises on purpose."""


class RetryLater(BackstopError):
    """A passing condition: the same call may work later (not connected yet, a deadline passed)."""


class Rejected(BackstopError):
    """This one request is refused and will be refused again; others may go on."""


class StopTrading(BackstopError):
    """A state in which nothing that adds risk may happen: the process halts."""


class ConfigError(BackstopError):
    """The configuration can't be used.

    Parameters
    ----------
    problems
        Every problem found, one readable sentence each: file, key path, value, allowed range, nearest spelling.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class NotConnected(RetryLater):
    """The broker connection isn't ready, so nothing was sent."""


class JournalCorrupt(StopTrading):
    """The hash chain of a journal does not verify."""


class QueueOverflow(StopTrading):
    """A lane whose events may never be dropped is full."""


class AlreadyRunning(BackstopError):
    """Another instance holds the lock."""


class IncompatibleIbapi(BackstopError):
    """The installed ibapi isn't one that the wrapper was written against."""
