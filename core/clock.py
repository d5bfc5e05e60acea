"""Clock port. The domain never reads the time by itself; it is given a clock.

Liveness (time-outs, heartbeats) is always measured on the monotonic clock. Market decisions use market time,
which comes with the bars, so that a replay faster than real time decides the same.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def now_ns(self) -> int:
        """Wall clock, nanoseconds since the epoch, UTC. For stamping records only, never for time-outs."""
        ...

    def monotonic_ns(self) -> int:
        """Monotonic nanoseconds, comparable between processes of one machine (CLOCK_MONOTONIC)."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_ns(self) -> int:
        """Wall clock, nanoseconds since the epoch, UTC."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Monotonic nanoseconds (CLOCK_MONOTONIC)."""
        return time.monotonic_ns()


class ManualClock:
    """A clock that moves only when told to, for tests and simulation."""

    def __init__(self, wall_ns: int = 0, monotonic_ns: int = 0) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns

    def now_ns(self) -> int:
        """Wall clock as last set."""
        return self._wall_ns

    def monotonic_ns(self) -> int:
        """Monotonic clock as last set."""
        return self._monotonic_ns

    def advance(self, seconds: float) -> None:
        """Move both clocks on by ``seconds`` (not negative)."""
        if seconds < 0:
            raise ValueError(f"a clock can't go back: {seconds} s")
        step = round(seconds * 1e9)
        self._wall_ns += step
        self._monotonic_ns += step
