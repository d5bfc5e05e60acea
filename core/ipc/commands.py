"""Commands from the watchdog to main. They can only reduce risk; nothing here can resume or re-arm."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import zmq

from core.errors import StopTrading
from core.ipc.messages import MAX_MESSAGE_BYTES, Message, Refusal, Signer, Verifier

COMMAND = "command"
REPLY = "reply"
ORDER_LANE_CLOSED = "order_lane_closed"


class Command(StrEnum):
    """All there is."""

    HALT = "halt"
    REDUCE_ONLY = "reduce_only"
    STATUS = "status"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReply:
    """Main's signed answer. ``result`` is ``order_lane_closed``, ``accepted`` or ``refused``."""

    result: str
    body: dict[str, Any]
    boot_id: str

    @property
    def is_order_lane_closed(self) -> bool:
        """Whether main has promised that no order leaves it any more."""
        return self.result == ORDER_LANE_CLOSED


class CommandServer:
    """Main's side: a thread of its own, so that HALT is obeyed even while the engine is busy or stuck.

    Parameters
    ----------
    endpoint
        Address to bind.
    verifier
        With ``sender`` the watchdog and ``kinds={COMMAND}``.
    signer
        Signs the replies; for this channel only.
    close_order_lane
        Closes the way to the broker; returns once no further order can leave. Called in the server's thread
        before HALT is answered.
    on_command
        Told of each accepted command, with its body, afterwards (the engine's queue).
    status
        Figures for the reply to STATUS; must not wait.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        verifier: Verifier,
        signer: Signer,
        close_order_lane: Callable[[], None],
        on_command: Callable[[Command, Mapping[str, Any]], None],
        status: Callable[[], Mapping[str, object]] = dict,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        self._verifier, self._signer = verifier, signer
        self._close_order_lane, self._on_command, self._status = close_order_lane, on_command, status
        self._context = context or zmq.Context.instance()
        self._socket = self._context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 200)  # a reply on its way at the end still goes out
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError:
            self._socket.close()
            raise
        stop_address = f"inproc://command-server-{id(self)}"
        self._stopped = self._context.socket(zmq.PAIR)
        self._stopped.bind(stop_address)
        self._stop = self._context.socket(zmq.PAIR)
        self._stop.connect(stop_address)
        self._thread = threading.Thread(target=self._run, name="command-server", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether commands are being answered. If an error ended the thread, the watchdog gets no reply."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """End the thread and close the socket."""
        if self._thread.is_alive():
            self._stop.send(b"")
            self._thread.join()
        for socket in (self._stop, self._stopped, self._socket):
            socket.close()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._stopped, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if self._stopped in ready:
                return
            frames = self._socket.recv_multipart()
            self._socket.send_multipart(self._answer(self._verifier.accept(frames)))

    def _answer(self, request: Message | Refusal) -> list[bytes]:
        if isinstance(request, Refusal):
            return self._signer.sign(REPLY, {"result": "refused", "reason": request.reason}, nonce="-")
        try:
            command = Command(request.body.get("command", ""))
        except ValueError:
            return self._signer.sign(REPLY, {"result": "refused", "reason": "unknown_command"}, request.nonce)
        body: dict[str, object] = {"result": "accepted"}
        if command is Command.HALT:
            self._close_order_lane()
            body["result"] = ORDER_LANE_CLOSED
        elif command is Command.STATUS:
            body |= self._status()
        if command is not Command.STATUS:
            try:
                self._on_command(command, request.body)
            except StopTrading as error:  # the engine's queue is full; the lane is closed all the same
                body["problem"] = str(error)
        return self._signer.sign(REPLY, body, request.nonce)


class CommandClient:
    """The watchdog's side. A request is begun, then polled; nothing waits unless ``request`` is used.

    Parameters
    ----------
    endpoint
        Address of the server; nobody needs to have bound it yet.
    signer
        Signs the commands; for this channel only.
    verifier
        With ``sender`` main and ``kinds={REPLY}``.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        signer: Signer,
        verifier: Verifier,
        context: zmq.Context[zmq.Socket[bytes]] | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._signer, self._verifier = signer, verifier
        self._context = context or zmq.Context.instance()
        self._socket: zmq.Socket[bytes] | None = None
        self._nonce: str | None = None

    def begin(self, command: Command, detail: Mapping[str, object] | None = None) -> None:
        """Send a command; an earlier one that has no reply yet is given up."""
        self.close()  # a socket that waits for a lost reply can't send: begin with a fresh one
        self._socket = self._context.socket(zmq.REQ)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        self._socket.setsockopt(zmq.RECONNECT_IVL, 20)
        self._socket.connect(self._endpoint)
        self._nonce = secrets.token_hex(8)
        body = {**(detail or {}), "command": command}
        self._socket.send_multipart(self._signer.sign(COMMAND, body, self._nonce), zmq.DONTWAIT)

    def poll(self) -> CommandReply | None:
        """Return the reply if it has arrived. A reply that is not signed, or not to this request, does not count."""
        if self._socket is None:
            return None
        try:
            frames = self._socket.recv_multipart(zmq.DONTWAIT)
        except zmq.Again:
            return None
        result = self._verifier.accept(frames)
        wanted, self._nonce = self._nonce, None
        self.close()
        if isinstance(result, Refusal) or result.nonce != wanted:
            return None
        return CommandReply(result=str(result.body.get("result")), body=result.body, boot_id=result.boot_id)

    @property
    def is_waiting(self) -> bool:
        """Whether a command has been sent that has neither been answered nor given up."""
        return self._socket is not None

    def request(
        self, command: Command, detail: Mapping[str, object] | None = None, *, timeout_s: float
    ) -> CommandReply | None:
        """Send a command and wait for its reply; None when none (or none that counts) came in time."""
        self.begin(command, detail)
        end = time.monotonic() + timeout_s
        while self._socket is not None and (left := end - time.monotonic()) > 0:
            if self._socket.poll(max(1, int(left * 1000))):
                return self.poll()
        self.close()
        return None

    def close(self) -> None:
        """Give up a request that has no reply yet."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
