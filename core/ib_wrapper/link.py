"""One TCP connection to TWS, from connect to close.

A new connection is a new ``Link``: nothing queued for the old one, and no byte received from it, can leak into the
new one. A link owns two threads: the reader, which decodes and calls back, and the writer of its outbox. It never reconnects.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import termios
import threading
from collections.abc import Callable
from typing import Final

from core.clock import Clock
from core.errors import RetryLater
from core.ib_wrapper.outbox import Outbox
from core.ib_wrapper.pacing import PacingWindow
from core.ib_wrapper.wire import FrameBuffer, ServerHello, StreamOutOfStep, hello, parse_server_hello
from core.wire_ring import WireRing

_RECEIVE_BYTES: Final = 1 << 18
_SLICE_MS: Final = 100
# close() with this set resets the connection: what the peer has not taken yet is thrown away, not delivered later.
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class ConnectFailed(RetryLater):
    """No session could be made now."""


def _open_socket(
    host: str, port: int, deadline_ns: int, clock: Clock, stopping: threading.Event
) -> socket.socket:
    """Connect without ever blocking for long, so that a stop is obeyed."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise ConnectFailed(f"{host} can't be resolved: {error}") from error
    try:
        connection = socket.socket(family, kind, protocol)
    except OSError as error:  # no file descriptors left: there may be some at the next attempt
        raise ConnectFailed(f"no socket can be made: {error}") from error
    try:
        connection.setblocking(False)
        connection.connect_ex(address)
        _wait(connection, select.POLLOUT, deadline_ns, clock, stopping)
        _raise_if_refused(connection, host, port)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    except BaseException:
        connection.close()
        raise
    return connection


def _raise_if_refused(connection: socket.socket, host: str, port: int) -> None:
    number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if number:
        raise ConnectFailed(f"can't connect to {host}:{port}: {os.strerror(number)}")


def _wait(
    connection: socket.socket, event: int, deadline_ns: int, clock: Clock, stopping: threading.Event
) -> None:
    """Wait until the socket is ready.

    Raises
    ------
    ConnectFailed
        If the deadline passes or a stop is asked for first.
    """
    poller = select.poll()
    poller.register(connection, event)
    while not poller.poll(_SLICE_MS):
        if stopping.is_set():
            raise ConnectFailed("stopped while connecting")
        if clock.monotonic_ns() >= deadline_ns:
            raise ConnectFailed("no answer before the deadline")


def _read_hello(connection: socket.socket, buffer: FrameBuffer) -> tuple[ServerHello | None, list[bytes]]:
    """Receive once: the server's version when it has come, and what came after it, which is the session's."""
    data = connection.recv(_RECEIVE_BYTES)
    if not data:
        raise ConnectFailed("the server closed the connection during the handshake")
    payloads = buffer.feed(data)
    for count, payload in enumerate(payloads, start=1):
        server = parse_server_hello(payload)
        if server is not None:
            return server, payloads[count:]
    return None, []


class Link:
    """A connection on which the versions have been exchanged.

    Parameters
    ----------
    connection
        Connected, non-blocking socket.
    on_payloads
        Called on the reader thread with each batch of received payloads.
    on_lost
        Called once, on any thread, when the link ends for another reason than ``close``.
    ring
        Takes a copy of each message, for the flight recorder.
    """

    def __init__(
        self,
        connection: socket.socket,
        buffer: FrameBuffer,
        server: ServerHello,
        pending: list[bytes],
        *,
        pacing: PacingWindow,
        clock: Clock,
        name: str,
        ring: WireRing | None = None,
    ) -> None:
        self._ring = ring
        self._connection = connection
        self._buffer = buffer
        self._pending = pending
        self._clock = clock
        self._name = name
        self._ending = threading.Lock()
        self._ended = False
        self.end_reason = ""
        self._on_payloads: Callable[[list[bytes]], None] = lambda _: None
        self._on_lost: Callable[[str], None] = lambda _: None
        self._threads: list[threading.Thread] = []
        self.server = server
        self.outbox = Outbox(connection, pacing, clock, ring)
        self.bytes_received = 0
        self.last_received_ns = clock.monotonic_ns()

    @classmethod
    def connect(
        cls,
        host: str,
        port: int,
        *,
        timeout_s: float,
        pacing: PacingWindow,
        clock: Clock,
        stopping: threading.Event,
        name: str,
        ring: WireRing | None = None,
    ) -> Link:
        """Connect and exchange versions; the link isn't reading yet.

        Raises
        ------
        ConnectFailed
            If there is no server, no answer in time, or an answer that can't be spoken with.
        """
        deadline_ns = clock.monotonic_ns() + round(timeout_s * 1e9)
        connection = _open_socket(host, port, deadline_ns, clock, stopping)
        try:
            connection.send(hello())
            buffer = FrameBuffer()
            server: ServerHello | None = None
            pending: list[bytes] = []
            while server is None:
                _wait(connection, select.POLLIN, deadline_ns, clock, stopping)
                server, pending = _read_hello(connection, buffer)
        except (OSError, StreamOutOfStep) as error:
            connection.close()
            raise ConnectFailed(f"the handshake failed: {error}") from error
        except BaseException:
            connection.close()
            raise
        return cls(connection, buffer, server, pending, pacing=pacing, clock=clock, name=name, ring=ring)

    def start(self, on_payloads: Callable[[list[bytes]], None], on_lost: Callable[[str], None]) -> None:
        """Start reading and writing."""
        self._on_payloads = on_payloads
        self._on_lost = on_lost
        self._threads = [
            threading.Thread(target=self._run_writer, name=f"{self._name}-writer", daemon=True),
            threading.Thread(target=self._run_reader, name=f"{self._name}-reader", daemon=True),
        ]
        # The writer first: the reader joins it when the link ends, which can be at once.
        for thread in self._threads:
            thread.start()

    @property
    def ended(self) -> bool:
        """Whether the link has ended."""
        return self._ended

    def unacknowledged_bytes(self) -> int:
        """Bytes that the kernel holds because the peer has not acknowledged them."""
        with contextlib.suppress(OSError, ValueError):
            count: int = struct.unpack("i", fcntl.ioctl(self._connection, termios.TIOCOUTQ, b"\0" * 4))[0]
            return count
        return 0

    def abort(self, reason: str) -> None:
        """End the link at once and throw away what the peer has not taken."""
        with contextlib.suppress(OSError):
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._end(reason, report=True)

    def close(self) -> None:
        """End the link on purpose; what the kernel has is still delivered, and ``on_lost`` isn't called."""
        self._end("closed", report=False)

    def join(self, timeout_s: float) -> None:
        """Wait for the link's threads (not for the calling one)."""
        deadline_ns = self._clock.monotonic_ns() + round(timeout_s * 1e9)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, (deadline_ns - self._clock.monotonic_ns()) / 1e9))

    def _end(self, reason: str, *, report: bool) -> None:
        with self._ending:
            if self._ended:
                return
            self.end_reason = reason
            self._ended = True
        self.outbox.fail(reason)
        # shutdown() wakes the reader, which closes the descriptor when it no longer uses it: closing it here would
        # let another thread's new socket take the same number.
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        if not self._threads:
            self._connection.close()
        if report:
            self._on_lost(reason)

    def _run_writer(self) -> None:
        self.outbox.run_writer()
        if not self._ended:
            self.abort(self.outbox.failure or "the writer ended")

    def _run_reader(self) -> None:
        reason = "the reader ended unexpectedly"
        try:
            if self._pending:
                self._take(self._pending)
            reason = self._read_until_end()
        except StreamOutOfStep as error:
            reason = str(error)
        finally:
            self.abort(reason)
            self.join(1.0)
            self._connection.close()

    def _read_until_end(self) -> str:
        """Receive until the connection ends; return why."""
        readable = select.poll()
        readable.register(self._connection, select.POLLIN)
        while not self._ended:
            try:
                data = self._connection.recv(_RECEIVE_BYTES)
            except (BlockingIOError, InterruptedError):
                readable.poll()
                continue
            except OSError as error:
                return f"receiving failed: {error}"
            if not data:
                return "the server closed the connection"
            self.bytes_received += len(data)
            self.last_received_ns = self._clock.monotonic_ns()
            payloads = self._buffer.feed(data)
            if payloads:
                self._take(payloads)
        return "closed"

    def _take(self, payloads: list[bytes]) -> None:
        if self._ring is not None:
            for payload in payloads:
                self._ring.received(payload)
        self._on_payloads(payloads)
