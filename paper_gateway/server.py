"""The gateway's sockets: loopback only, one protocol object a client, one write a client and loop turn.

Back-pressure: the replay goes on only when every client has taken what was sent up to the last boundary. A client
that doesn't read for ``slow_client_s`` is disconnected, as TWS does it, rather than being served with holes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import struct
from dataclasses import dataclass
from typing import cast

import structlog

from data.exchange_calendar import Session
from paper_gateway.hooks import Link
from paper_gateway.hub import Hub
from paper_gateway.market import Step
from paper_gateway.price_path import STEP_S
from paper_gateway.session import ClientSession
from paper_gateway.types import BrokerageEvent

_HIGH_WATER = 256 * 1024
_LARGEST_BACKLOG = 64 * 1024 * 1024
_TICK_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How the server treats its clients.

    Attributes
    ----------
    host, port
        Where to listen; a loopback address. Port 0 takes a free one.
    boundary_s
        Market seconds between the boundaries at which quotes, account and back-pressure are settled.
    wait_at_boundary
        Whether to hold market time there until every client with five-second bars asked for the current time.
    late_s
        How long to hold; a client that is later is not waited for again until it asks.
    slow_client_s
        How long a client may leave its socket unread.
    """

    host: str = "127.0.0.1"
    port: int = 4002
    boundary_s: int = 300
    wait_at_boundary: bool = False
    late_s: float = 2.0
    slow_client_s: float = 10.0

    def __post_init__(self) -> None:
        if self.host != "localhost" and not ipaddress.ip_address(self.host).is_loopback:
            raise ValueError(f"{self.host} isn't a loopback address: the gateway has no authentication")
        if self.boundary_s < STEP_S or self.boundary_s % STEP_S:
            raise ValueError(f"a boundary must be a multiple of {STEP_S} s: {self.boundary_s}")


class Connection(asyncio.Protocol):
    """One client's socket: moves bytes between the transport and a ``ClientSession``."""

    def __init__(self, server: GatewayServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._flush_is_due = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._log = structlog.get_logger("paper_gateway")
        self.session = ClientSession(server.hub, self._wake)
        self.is_late = False
        faults = server.hub.faults
        self._link: Link | None = None if faults is None else faults.new_link(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a new client."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._server.connections.add(self)
        self._server.hub.statistics.connections += 1

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client."""
        if self._link is None:
            self.deliver(data)
        else:
            self._link.received(data)

    def deliver(self, data: bytes) -> None:
        """Hand bytes to the session, and write its answers at once."""
        asked = self.session.current_time_requests
        self.session.receive(data)
        self.flush()
        if self.session.current_time_requests != asked:
            self.is_late = False
            self._server.progress.set()

    def pause_writing(self) -> None:
        """Note that the client reads more slowly than it is written to."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Note that the client has caught up."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Free what the client held."""
        client_id = self.session.client_id
        self.session.disconnected()
        self._transport = None
        if self._link is not None:
            self._link.closed()
        self._writable.set()
        self._server.connections.discard(self)
        self._server.progress.set()
        reason = self.session.close_reason or ("connection reset" if exc else "closed by the client")
        self._log.info("client_left", client_id=client_id, reason=reason)

    def flush(self) -> None:
        """Write everything that waits, and close if the session asked for it."""
        self._flush_is_due = False
        transport = self._transport
        if transport is None:
            return
        block = self.session.take()
        if block:
            if self._link is None:
                self.put(block)
            else:
                self._link.write(block)
        if self.session.closing:
            transport.close()

    @property
    def client_id(self) -> int:
        """Client id, -1 before the client has told it."""
        return self.session.client_id

    def put(self, data: bytes) -> None:
        """Hand bytes to the socket."""
        if self._transport is not None:
            self._transport.write(data)
            if self._transport.get_write_buffer_size() > _LARGEST_BACKLOG:
                self.abort("the client asks for more than it reads")

    def read_on(self, *, wanted: bool) -> None:
        """Read from the socket, or leave it unread."""
        transport = self._transport
        if transport is None or transport.is_closing() or transport.is_reading() is wanted:
            return
        if wanted:
            transport.resume_reading()
        else:
            transport.pause_reading()

    def reset(self) -> None:
        """Reset the connection: what is under way is thrown away."""
        if self._transport is not None:
            self.session.close("reset on purpose")
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def abort(self, reason: str) -> None:
        """Drop the connection and what is still queued."""
        self.session.close(reason)
        self._server.hub.statistics.slow_clients += 1
        if self._transport is not None:
            self._transport.abort()

    async def drain(self, timeout_s: float) -> None:
        """Wait until the client has taken nearly all that was written; drop it when it doesn't."""
        if self._writable.is_set():
            return
        try:
            await asyncio.wait_for(self._writable.wait(), timeout_s)
        except TimeoutError:
            self.abort(f"the client did not read for {timeout_s:g} s")

    def _wake(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            asyncio.get_running_loop().call_soon(self.flush)


class GatewayServer:
    """Listens, and passes the replay's news to the clients (``replay.ReplayListener``).

    Parameters
    ----------
    hub
        Market, account and sessions.
    settings
        Where to listen, and how to treat clients.
    """

    def __init__(self, hub: Hub, settings: ServerSettings) -> None:
        self.hub = hub
        self.settings = settings
        self.connections: set[Connection] = set()
        self.progress = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._port = settings.port
        self._ticker: asyncio.Task[None] | None = None
        self._boundary_steps = settings.boundary_s // STEP_S

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._server is None:
            raise RuntimeError("the server has not been started")
        return self._port

    async def start(self) -> None:
        """Begin to listen.

        Raises
        ------
        OSError
            When the port is taken.
        """
        await self._listen(self.settings.port)
        self._ticker = asyncio.create_task(self._tick())

    async def _listen(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), self.settings.host, port)
        self._port = int(self._server.sockets[0].getsockname()[1])

    async def restart(self, down_s: float) -> None:
        """Reset every connection and listen to nobody for a while; market and account go on, as at IB."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.reset()
        await asyncio.sleep(down_s)
        while True:
            try:
                await self._listen(self._port)
            except OSError:  # somebody's outgoing connection holds the port for a moment
                await asyncio.sleep(_TICK_S)
            else:
                return

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.session.close("the gateway stops")
            connection.flush()
        if self._server is not None:
            await self._server.wait_closed()

    async def _tick(self) -> None:
        """Keep profit and loss fresh while market time stands still."""
        while True:
            await asyncio.sleep(_TICK_S)
            self.hub.refresh_account()

    # --- replay.ReplayListener ---------------------------------------------------------------------------

    def on_session_open(self, session: Session, events: list[BrokerageEvent]) -> None:
        """Tell what waiting orders did at the opening."""
        if self.hub.faults is not None:
            self.hub.faults.on_session_open(session.date)
        self.hub.publish(events)

    def on_step(self, step: Step, events: list[BrokerageEvent]) -> None:
        """Tell what working orders did in a step, then send its bars and quotes."""
        self.hub.publish(events)
        self.hub.step(boundary=step.is_last or (step.index + 1) % self._boundary_steps == 0)

    def on_session_close(self, session: Session, events: list[BrokerageEvent]) -> None:
        """Tell what the closing auction did, and which orders expired."""
        del session
        self.hub.publish(events)
        self.hub.refresh_account(now=True)

    async def barrier(self, market_ns: int) -> bool:
        """Wait until every client has read what was sent, and if so set until it has worked on it."""
        del market_ns
        waiting = [one for one in self.connections if one.session.wants_bars and not one.is_late]
        asked = {one: one.session.current_time_requests for one in waiting}
        for connection in list(self.connections):
            connection.flush()
        for connection in list(self.connections):
            await connection.drain(self.settings.slow_client_s)
        if not self.settings.wait_at_boundary:
            return True
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.settings.late_s
        while True:
            self.progress.clear()
            missing = [
                one
                for one in waiting
                if one in self.connections and one.session.current_time_requests == asked[one]
            ]
            if not missing:
                return True
            try:
                await asyncio.wait_for(self.progress.wait(), deadline - loop.time())
            except TimeoutError:
                for connection in missing:
                    connection.is_late = True
                return False
