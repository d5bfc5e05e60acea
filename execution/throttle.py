"""Counts of orders in a sliding window of monotonic time (never per fixed minute, which lets twice as many by)."""

from __future__ import annotations

from collections import deque
from typing import Final

MINUTE_NS: Final = 60_000_000_000


class SlidingWindow:
    """How many events fell into the last ``window_ns``."""

    def __init__(self, window_ns: int) -> None:
        self._window_ns = window_ns
        self._times: deque[int] = deque()

    def add(self, now_ns: int) -> None:
        """Count one event."""
        self._times.append(now_ns)

    def count(self, now_ns: int) -> int:
        """Events younger than the window."""
        while self._times and now_ns - self._times[0] >= self._window_ns:
            self._times.popleft()
        return len(self._times)


class OrderThrottle:
    """Remembers what was sent: all orders by the minute, and each kind of order by the repeat window."""

    def __init__(self, *, repeat_window_s: float) -> None:
        self._all = SlidingWindow(MINUTE_NS)
        self._repeat_ns = round(repeat_window_s * 1e9)
        self._by_key: dict[tuple[str, ...], SlidingWindow] = {}

    def sent(self, key: tuple[str, ...], now_ns: int) -> None:
        """Count an order; ``key`` says what would make another one a repeat of it."""
        self._all.add(now_ns)
        self._by_key.setdefault(key, SlidingWindow(self._repeat_ns)).add(now_ns)

    def last_minute(self, now_ns: int) -> int:
        """Orders of the last sixty seconds."""
        return self._all.count(now_ns)

    def repeats(self, key: tuple[str, ...], now_ns: int) -> int:
        """Orders of this kind within the repeat window."""
        window = self._by_key.get(key)
        return 0 if window is None else window.count(now_ns)
