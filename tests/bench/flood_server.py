"""A bare server of the TWS protocol that floods its one client with price ticks. Prints JSON lines.

``python -m tests.bench.flood_server --ticks 100000`` sends them without a pause; ``--bursts 10`` sends ten bursts of exactly
4,096 bytes with a silence after each. The client subscribes to as many symbols as it was told, which starts the flood.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time

from paper_gateway import responses
from paper_gateway.codec import SERVER_VERSION, FrameReader, decode_fields, message
from paper_gateway.requests import Incoming

BURST_BYTES = 4096
_LAST = 4
_SETTLE_S, _AFTER_S = 0.3, 1.5


def price_of(number: int) -> str:
    """Price of the tick with that number: each one differs from the one before it."""
    return f"{100 + number % 5000 / 100:.2f}"


def tick(request_id: int, price: str) -> bytes:
    """One last-price tick with its size, as TWS sends it."""
    return message(1, 6, request_id, _LAST, price, 100, 0)


def exact_burst(request_ids: list[int], number: int) -> tuple[bytes, int]:
    """Ticks of exactly ``BURST_BYTES`` together, and how many; the last price is padded with zeros."""
    out, count = b"", 0
    while True:
        one = tick(request_ids[count % len(request_ids)], price_of(number + count))
        room = BURST_BYTES - len(out)
        if room < 2 * len(one):
            break
        out += one
        count += 1
    request_id, price = request_ids[count % len(request_ids)], price_of(number + count)
    padding = BURST_BYTES - len(out) - len(tick(request_id, price))
    out += tick(request_id, price + "0" * padding)
    return out, count + 1


class Server:
    """Serves one client."""

    def __init__(self, connection: socket.socket, symbols: int) -> None:
        self._connection = connection
        self._symbols = symbols
        self._reader = FrameReader()
        self._started = False

    def await_subscriptions(self) -> list[int]:
        """Greet the client and collect its market data requests."""
        request_ids: list[int] = []
        has_prefix = False
        while len(request_ids) < self._symbols:
            data = self._connection.recv(65536)
            if not data:
                raise ConnectionError("the client left before it subscribed")
            self._reader.feed(data)
            has_prefix = has_prefix or self._reader.take_prefix()
            while has_prefix and (payload := self._reader.next()) is not None:
                self._answer(payload, request_ids)
        return request_ids

    def _answer(self, payload: bytes, request_ids: list[int]) -> None:
        if payload.startswith(b"v"):
            self._connection.sendall(responses.handshake(SERVER_VERSION, "20121112 09:30:00 EST"))
            return
        fields = decode_fields(payload)
        kind = int(fields[0])
        if kind == Incoming.START_API:
            self._connection.sendall(responses.managed_accounts("DU1234567") + responses.next_valid_id(1))
        elif kind == Incoming.REQ_MKT_DATA:
            request_ids.append(int(fields[2]))

    def flood(self, request_ids: list[int], ticks: int) -> int:
        """Send everything at once; returns the number of ticks."""
        parts = [tick(request_ids[n % len(request_ids)], price_of(n)) for n in range(ticks)]
        self._send(b"".join(parts))
        return ticks

    def bursts(self, request_ids: list[int], bursts: int, silence_s: float) -> int:
        """Send bursts of exactly 4,096 bytes, each followed by a silence; returns the number of ticks."""
        total = 0
        for _ in range(bursts):
            block, count = exact_burst(request_ids, total)
            self._send(block)
            total += count
            time.sleep(silence_s)
        return total

    def _send(self, data: bytes) -> None:
        if not self._started:
            self._started = True
            print(json.dumps({"began_ns": time.monotonic_ns()}), flush=True)
        self._connection.sendall(data)


def main() -> int:
    """Serve one client, then end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=20)
    parser.add_argument("--ticks", type=int, default=0)
    parser.add_argument("--bursts", type=int, default=0)
    parser.add_argument("--silence", type=float, default=1.2)
    options = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
        connection, _ = listener.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = Server(connection, options.symbols)
        request_ids = server.await_subscriptions()
        time.sleep(_SETTLE_S)
        if options.ticks:
            sent = server.flood(request_ids, options.ticks)
        else:
            sent = server.bursts(request_ids, options.bursts, options.silence)
        print(json.dumps({"sent": sent}), flush=True)
        sys.stdin.readline()  # the bench says when the client has had its time
    return 0


if __name__ == "__main__":
    sys.exit(main())
