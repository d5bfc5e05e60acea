"""Takes a flood of ticks: ``ours`` through the broker session into the engine's queue, ``bare`` through ibapi alone.

Prints one JSON line a change while ticks come in: how many it has taken, and when the newest of them was.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from typing import Any

import structlog
from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.wrapper import EWrapper

from core.clock import SystemClock
from core.config_schema import BrokerSettings
from core.event_queue import EventQueue
from core.events import Quote
from core.ib_wrapper.session import IBSession

_POLL_S = 0.02


class Bare(EWrapper, EClient):  # type: ignore[misc]
    """The official client; it only counts."""

    def __init__(self) -> None:
        EWrapper.__init__(self)
        EClient.__init__(self, self)
        self.ticks = 0
        self.newest_ns = 0
        self.ready = threading.Event()

    def nextValidId(self, orderId: int) -> None:
        """Note that the handshake is over."""
        self.ready.set()

    def tickPrice(self, reqId: int, tickType: int, price: float, attrib: Any) -> None:
        """Count one tick."""
        self.ticks += 1
        self.newest_ns = time.monotonic_ns()


class Ours:
    """A broker session whose events go through the engine's queue, as in main, to a thread that takes them."""

    def __init__(self, port: int, symbols: int) -> None:
        self._queue = EventQueue()
        settings = BrokerSettings(port=port, probe_interval_s=600)
        self._session = IBSession(settings, client_id=1, sink=self._queue.put, clock=SystemClock())
        self._session.start()
        if not self._session.wait_ready(10):
            raise SystemExit("no session")
        self._before = self._session.statistics.frames_received
        self.newest_ns = 0
        self.prices: dict[str, float] = {}
        threading.Thread(target=self._take, daemon=True).start()
        self._session.subscribe_quotes(f"S{number}" for number in range(symbols))

    @property
    def ticks(self) -> int:
        """Ticks decoded so far."""
        counts = self._session.statistics
        return counts.frames_received - self._before - counts.frames_undecoded

    def _take(self) -> None:
        while True:
            event = self._queue.get(1.0)
            if isinstance(event, Quote):
                self.newest_ns = time.monotonic_ns()
                self.prices[event.symbol] = event.last


def main() -> None:
    """Run until killed."""
    # The output is for figures alone.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    kind, port, symbols = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    client: Bare | Ours
    if kind == "bare":
        client = Bare()
        client.connect("127.0.0.1", port, 1)
        threading.Thread(target=client.run, daemon=True).start()
        client.ready.wait(10)
        for number in range(symbols):
            contract = Contract()
            contract.symbol, contract.secType, contract.exchange, contract.currency = (
                f"S{number}",
                "STK",
                "SMART",
                "USD",
            )
            client.reqMktData(number + 1, contract, "", False, False, [])
    else:
        client = Ours(port, symbols)
    told = (-1, -1)
    while True:
        time.sleep(_POLL_S)
        now = (client.ticks, client.newest_ns)
        if now != told:
            told = now
            prices = client.prices if isinstance(client, Ours) else {}
            print(json.dumps({"ticks": now[0], "newest_ns": now[1], "prices": prices}), flush=True)


if __name__ == "__main__":
    main()
