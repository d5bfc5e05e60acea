"""Message pacing. IB closes the socket of a client that sends more than 50 messages in a second.

A window that slides is used instead of a bucket of tokens: a bucket that allows a burst of *n* lets almost *2n*
pass within one second, the window never lets more than *n*, and still lets a whole burst go at once.
"""

from __future__ import annotations

from collections import deque
from typing import Final

BROKER_LIMIT: Final = 50
# Messages a second that only the urgent lane may use, so that a cancel never waits behind orders.
URGENT_RESERVE: Final = 5
# A little more than a second: the broker counts on its own clock.
WINDOW_NS: Final = 1_050_000_000


class PacingWindow:
    """How many messages may leave now.

    Parameters
    ----------
    messages_per_second
        Budget of the normal lane; the urgent lane may always go up to the broker's limit.
    """

    def __init__(self, messages_per_second: int) -> None:
        self._normal = min(messages_per_second, BROKER_LIMIT - URGENT_RESERVE)
        self._sent: deque[int] = deque()

    def _forget(self, now_ns: int) -> None:
        horizon = now_ns - WINDOW_NS
        while self._sent and self._sent[0] <= horizon:
            self._sent.popleft()

    def available(self, now_ns: int, *, urgent: bool) -> int:
        """Messages that may leave now in this lane."""
        self._forget(now_ns)
        limit = BROKER_LIMIT if urgent else self._normal
        return max(0, limit - len(self._sent))

    def record(self, now_ns: int) -> None:
        """Note that a message left."""
        self._sent.append(now_ns)

    def wait_ns(self, now_ns: int, *, urgent: bool) -> int:
        """Nanoseconds until the next message may leave in this lane; 0 when it may leave now."""
        if self.available(now_ns, urgent=urgent) > 0:
            return 0
        limit = BROKER_LIMIT if urgent else self._normal
        # The message that must leave the window first is the limit-th from the end.
        return max(0, self._sent[len(self._sent) - limit] + WINDOW_NS - now_ns + 1)
