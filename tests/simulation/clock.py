"""One clock and one list of what is to happen; everything runs on one thread, in an order that the seed decides."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

MS = 1_000_000
SECOND = 1_000 * MS


class Crash(BaseException):
    """The process ends here, as by SIGKILL."""


class Time:
    """Simulated time (ns), and the events on it. It is the clock of every part.

    Parameters
    ----------
    seed
        Decides every chance of the run.
    is_traced
        Whether lines are kept for a reader; a failing seed is played again with it.
    """

    def __init__(self, seed: int, *, is_traced: bool = False) -> None:
        self.now = 1_000 * SECOND
        self.chance = random.Random(seed)
        self.lines: list[str] | None = [] if is_traced else None
        self._events: list[tuple[int, int, Callable[[], object]]] = []
        self._serial = 0

    def now_ns(self) -> int:
        """Wall clock."""
        return self.now

    def monotonic_ns(self) -> int:
        """Monotonic clock."""
        return self.now

    def at(self, when: int, what: Callable[[], object]) -> None:
        """Have something happen at ``when``; what is due at one instant happens in the order in which it was asked for."""
        self._serial += 1
        heapq.heappush(self._events, (when, self._serial, what))

    def after(self, delay: int, what: Callable[[], object]) -> None:
        """Have something happen ``delay`` ns from now."""
        self.at(self.now + delay, what)

    def run_until(self, end: int) -> None:
        """Let happen what is due before ``end``."""
        while self._events and self._events[0][0] <= end:
            self.now, _, what = heapq.heappop(self._events)
            what()
        self.now = max(self.now, end)

    def say(self, who: str, text: str) -> None:
        """Keep a line of the trace."""
        if self.lines is not None:
            self.lines.append(f"{(self.now - 1_000 * SECOND) / MS:10.3f} ms  {who:<8} {text}")


class Wire:
    """One direction of a connection: late, in order, and cut when the connection ends.

    Parameters
    ----------
    longest
        Longest delay of a message, ns.
    """

    def __init__(self, time: Time, longest: int) -> None:
        self._time, self._longest = time, longest
        self._free = 0
        self.is_open = True

    def send(self, what: Callable[[], object], *, is_sure: bool = False) -> None:
        """Deliver after what was sent before; ``is_sure`` also when the connection ends meanwhile (it is in the kernel)."""
        when = max(self._free, self._time.now + self._time.chance.randint(1, self._longest))
        self._free = when
        self._time.at(when, lambda: what() if self.is_open or is_sure else None)

    @property
    def drained_at(self) -> int:
        """When all that was sent will have arrived."""
        return self._free


class Stepper:
    """Counts the steps of a process at which it may die, and ends it at the chosen one."""

    def __init__(self, time: Time, who: str) -> None:
        self._time, self._who = time, who
        self.left: int | None = None

    def step(self, where: str) -> None:
        """Pass one step.

        Raises
        ------
        Crash
            At the chosen one.
        """
        if self.left is None:
            return
        self.left -= 1
        if self.left <= 0:
            self.left = None
            self._time.say(self._who, f"KILLED at: {where}")
            raise Crash(where)
