"""The gate through which every order leaves, and which the watchdog's HALT closes from another thread."""

from __future__ import annotations

import threading
from collections.abc import Callable


class OrderLane:
    """Open until closed; closing is final for the life of the process.

    :meth:`close` and :meth:`send` exclude each other: when ``close`` has returned True, no order is on its way
    between the journal and the socket, and none will ever follow. Cancels don't pass here; they only take risk off.
    """

    def __init__(self) -> None:
        self._sending = threading.Lock()
        self._closed_by: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether an order could leave now."""
        return self._closed_by is None

    @property
    def closed_by(self) -> str | None:
        """Why the lane was closed; None while it is open."""
        return self._closed_by

    def close(self, reason: str, timeout_s: float | None = None) -> bool:
        """Close the lane; callable from any thread.

        The mark is set before waiting, so no *further* send starts while the one under way ends.

        Parameters
        ----------
        reason
            Kept for the journal; the first reason stands.
        timeout_s
            How long to wait for a send that is under way; None waits for its end.

        Returns
        -------
        bool
            True when nothing can leave any more. False when the send under way didn't end in time: then the
            caller must not promise that the lane is closed.
        """
        if self._closed_by is None:
            self._closed_by = reason
        if not self._sending.acquire(timeout=-1 if timeout_s is None else timeout_s):
            return False
        self._sending.release()
        return True

    def send(self, put_on_the_wire: Callable[[], None]) -> bool:
        """Call ``put_on_the_wire`` unless the lane is closed; False when it is.

        The function must return only when the bytes were handed to the kernel, or raise.
        """
        with self._sending:
            if self._closed_by is not None:
                return False
            put_on_the_wire()
            return True
