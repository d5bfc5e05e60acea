"""Order ids that never go backwards, and which orderRef each of them carries."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

# Order ids and request ids share one field in error messages, so the two ranges must not meet.
FIRST_REQUEST_ID: Final = 1_500_000_000
_MAX_REFS: Final = 100_000


class OrderIds:
    """Gives order ids above the floor, above every id seen and not below the broker's ``nextValidId``.

    ``nextValidId`` may fall after a restart of the gateway; a lower value is simply not taken.
    """

    def __init__(self, floor: int = 0) -> None:
        self._lock = threading.Lock()
        self._next = max(1, floor + 1)

    def saw(self, order_id: int) -> None:
        """Give only greater ids from now on. Values outside the range of order ids are ignored."""
        if 0 < order_id < FIRST_REQUEST_ID:
            with self._lock:
                self._next = max(self._next, order_id + 1)

    def offered(self, next_valid_id: int) -> None:
        """Take the broker's ``nextValidId`` into account."""
        self.saw(next_valid_id - 1)

    def take(self) -> int:
        """Next id, given out once."""
        with self._lock:
            taken = self._next
            self._next += 1
            return taken


class OrderRefs:
    """Remembers the orderRef of each (client id, order id), because ``orderStatus`` doesn't carry it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refs: OrderedDict[tuple[int, int], str] = OrderedDict()

    def learn(self, client_id: int, order_id: int, order_ref: str) -> None:
        """Note which reference an order carries; the oldest of very many are forgotten."""
        if not order_ref:
            return
        with self._lock:
            self._refs[client_id, order_id] = order_ref
            if len(self._refs) > _MAX_REFS:
                self._refs.popitem(last=False)

    def find(self, client_id: int, order_id: int) -> str | None:
        """Look up the reference of an order, None when it isn't known."""
        with self._lock:
            return self._refs.get((client_id, order_id))
