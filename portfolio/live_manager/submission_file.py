"""Each order that leaves, as a line for the watchdog."""

from __future__ import annotations

from core.clock import Clock
from core.csv_log import OrderSubmissionLog
from core.errors import StopTrading
from core.events import Order


class SubmissionFile:
    """The submission log with the clock's stamps; what can't be written stops trading.

    Parameters
    ----------
    log
        The file that the watchdog counts lines of.
    clock
        Stamps each line.
    """

    def __init__(self, log: OrderSubmissionLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock

    def record(self, order: Order) -> None:
        """Write one line before the order leaves."""
        try:
            self._log.append(order, wall_ns=self._clock.now_ns(), monotonic_ns=self._clock.monotonic_ns())
        except OSError as error:
            raise StopTrading(f"the order submission log can't be written: {error}") from error
