"""A TWS that does what a test tells it: a real listening socket, one connection after the other."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from core.clock import SystemClock
from core.config_schema import BrokerSettings
from core.events import Event
from core.ib_wrapper.session import IBSession
from core.ib_wrapper.wire import FrameBuffer, fields_of, frame
from tests.waiting import DEADLINE_S, wait_for

E = TypeVar("E")


def message(*fields: object) -> bytes:
    """Frame of a message with these fields."""
    return frame("".join(f"{field}\0" for field in fields))


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(DEADLINE_S)
        self._buffer = FrameBuffer()
        self._prefix = b""
        self.received: list[list[str]] = []
        self.version_range: str | None = None

    def send(self, *fields: object) -> None:
        self.connection.sendall(message(*fields))

    def send_bytes(self, data: bytes) -> None:
        self.connection.sendall(data)

    def pump(self, wait_s: float = 0.02) -> bool:
        """Receive what is there; False when the client has closed."""
        if not select.select([self.connection], [], [], wait_s)[0]:
            return True
        try:
            data = self.connection.recv(1 << 16)
        except OSError:
            return False
        if not data:
            return False
        if len(self._prefix) < 4:
            self._prefix += data
            if len(self._prefix) < 4:
                return True
            assert self._prefix[:4] == b"API\0"
            data = self._prefix[4:]
        for payload in self._buffer.feed(data):
            if self.version_range is None:
                self.version_range = payload.decode()
            else:
                self.received.append([f.decode() for f in fields_of(payload)])
        return True

    def expect(self, number: int, timeout_s: float = DEADLINE_S) -> list[str]:
        """Next message of a sort that has not been asked for yet."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for index, fields in enumerate(self.received):
                if fields[0] == str(number):
                    del self.received[index]
                    return fields
            assert self.pump(), f"the client closed before message {number}"
        raise AssertionError(f"no message {number}; got {[f[0] for f in self.received]}")

    def hears_nothing_of(self, number: int, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.pump()
            if any(fields[0] == str(number) for fields in self.received):
                return False
        return True

    def greet(self) -> None:
        """Exchange versions only."""
        wait_for(lambda: self.pump() and self.version_range, "the client's versions")
        self.send("157", "20121112 09:30:00 EST")

    def accept_session(self, *, accounts: str = "DU1234567", next_id: int = 1) -> None:
        """The whole handshake."""
        self.greet()
        self.expect(71)
        self.send(15, 1, accounts)
        self.send(9, 1, next_id)

    def closed_by_client(self, timeout_s: float = DEADLINE_S) -> bool:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if not self.pump():
                return True
        return False

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()


class ScriptedTws:
    """Listens on a free port of loopback."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(DEADLINE_S)
        self.port: int = self.listener.getsockname()[1]
        self.peers: list[Peer] = []

    def accept(self) -> Peer:
        connection, _ = self.listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer(connection)
        self.peers.append(peer)
        return peer

    def close(self) -> None:
        for peer in self.peers:
            peer.close()
        self.listener.close()


class Events:
    """A sink that remembers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: list[Event] = []

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._events.append(event)

    def of(self, kind: type[E]) -> list[E]:
        with self._lock:
            return [event for event in self._events if isinstance(event, kind)]


@contextmanager
def session_at(
    port: int,
    events: Callable[[Event], None],
    *,
    client_id: int = 1,
    order_id_floor: int = 0,
    account_id: str | None = None,
    **settings: object,
) -> Iterator[IBSession]:
    """A started session that reconnects fast and is patient otherwise; ``settings`` go to the broker section."""
    chosen = {
        "port": port,
        "reconnect_initial_s": 0.02,
        "reconnect_max_s": 0.1,
        "connect_timeout_s": 20.0,
        "request_timeout_s": 20.0,
        "probe_interval_s": 20.0,
        "probe_timeout_s": 20.0,
        **settings,
    }
    session = IBSession(
        BrokerSettings.model_validate(chosen),
        client_id=client_id,
        sink=events,
        clock=SystemClock(),
        order_id_floor=order_id_floor,
        account_id=account_id,
    )
    session.start()
    try:
        yield session
    finally:
        session.stop()
