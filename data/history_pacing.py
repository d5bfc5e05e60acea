"""How often IB may be asked for past bars. Pure: times come from an injected clock, waiting is the caller's.

IB refuses with code 162 ("pacing violation") whoever asks (1) for the same within 15 seconds, (2) six times or more for
one contract and kind of data within two seconds, or (3) more than sixty times within ten minutes ("Historical Data
Limitations" in IB's API documentation). It lifted (2) and (3) for bars longer than 30 seconds, but goes on slowing down
whoever overdoes it; by default we keep to all three for every size.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from core.clock import Clock

NS_PER_S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Limits, a little tighter than the broker's: it counts when a request arrives, we when it leaves."""

    identical_s: float = 15.5
    topic_s: float = 2.25
    topic_most: int = 5
    window_s: float = 605.0
    window_most: int = 60


STRICT: Final = Pace()
RELAXED: Final = Pace(window_most=10_000, window_s=605.0)
"""Without the sixty in ten minutes, for bars longer than 30 s."""


class HistoryPacer:
    """Says how long the next request must wait.

    Parameters
    ----------
    clock
        Its monotonic time is used.
    pace
        The limits.
    """

    def __init__(self, clock: Clock, pace: Pace = STRICT) -> None:
        self._clock = clock
        self._pace = pace
        self._sent: list[tuple[int, Hashable, Hashable]] = []
        self._closed_until_ns = 0

    def wait_s(self, topic: Hashable, request: Hashable) -> float:
        """Seconds until a request may leave; 0 when it may leave now.

        Parameters
        ----------
        topic
            Contract and kind of data.
        request
            All that makes a request what it is.
        """
        now_ns = self._clock.monotonic_ns()
        self._forget(now_ns)
        pace = self._pace
        earliest = [
            self._closed_until_ns,
            *(at + _ns(pace.identical_s) for at, _, other in self._sent if other == request),
        ]
        same = [at for at, other, _ in self._sent if other == topic]
        if len(same) >= pace.topic_most:
            earliest.append(same[-pace.topic_most] + _ns(pace.topic_s))
        if len(self._sent) >= pace.window_most:
            earliest.append(self._sent[-pace.window_most][0] + _ns(pace.window_s))
        return max(0, max(earliest) - now_ns) / NS_PER_S

    def record(self, topic: Hashable, request: Hashable, *, age_s: float = 0.0) -> None:
        """Note that a request leaves now, or left ``age_s`` ago (by an earlier process)."""
        insort(self._sent, (self._clock.monotonic_ns() - _ns(age_s), topic, request), key=lambda one: one[0])

    def close_for(self, seconds: float) -> None:
        """Let nothing leave for so long: the broker said that we are too fast."""
        self._closed_until_ns = max(self._closed_until_ns, self._clock.monotonic_ns() + _ns(seconds))

    @property
    def memory_s(self) -> float:
        """Age from which a request no longer counts."""
        return max(self._pace.window_s, self._pace.identical_s)

    def _forget(self, now_ns: int) -> None:
        horizon = now_ns - _ns(self.memory_s)
        self._sent = [one for one in self._sent if one[0] > horizon]


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
