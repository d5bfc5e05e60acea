"""The least that can turn a closed bar into an order: ibapi's own client, no book, no journal, no decision.

``python -m tests.bench.echo_client PORT BOUNDARY_S SYMBOL...`` sends one market order when the last symbol's bar has closed.
"""

from __future__ import annotations

import sys
import threading

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.order import Order
from ibapi.wrapper import EWrapper


class Echo(EWrapper, EClient):  # type: ignore[misc]
    """Buys one share at one boundary and sells it at the next."""

    def __init__(self, boundary_s: int, symbols: list[str]) -> None:
        EWrapper.__init__(self)
        EClient.__init__(self, self)
        self._boundary_s = boundary_s
        self._symbols = symbols
        self._closed: set[int] = set()
        self._next_id = 0
        self._count = 0
        self.ready = threading.Event()

    def nextValidId(self, orderId: int) -> None:
        """Note that the handshake is over."""
        self._next_id = orderId
        self.ready.set()

    def subscribe(self) -> None:
        """Ask for five-second bars."""
        for number, symbol in enumerate(self._symbols):
            self.reqRealTimeBars(number + 1, _stock(symbol), 5, "TRADES", True, [])

    def realtimeBar(self, reqId, time, open_, high, low, close, volume, wap, count):
        """Send an order with the last bar of a boundary."""
        if (time + 5) % self._boundary_s:
            return
        self._closed.add(reqId)
        if len(self._closed) < len(self._symbols):
            return
        self._closed.clear()
        order = Order()
        order.action, order.orderType, order.totalQuantity = ("SELL" if self._count % 2 else "BUY"), "MKT", 1
        self.placeOrder(self._next_id + self._count, _stock(self._symbols[0]), order)
        self._count += 1
        self.reqCurrentTime()


def _stock(symbol: str) -> Contract:
    contract = Contract()
    contract.symbol, contract.secType, contract.exchange, contract.currency = symbol, "STK", "SMART", "USD"
    return contract


if __name__ == "__main__":
    client = Echo(int(sys.argv[2]), sys.argv[3:])
    client.connect("127.0.0.1", int(sys.argv[1]), 9)
    threading.Thread(target=client.run, daemon=True).start()
    client.ready.wait(10)
    client.subscribe()
    threading.Event().wait()
