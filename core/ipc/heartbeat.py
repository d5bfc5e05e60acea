"""Heartbeats over ZMQ: one process publishes, the other takes the newest and never waits for it."""

from __future__ import annotations

from collections.abc import Mapping

import zmq

from core.ipc.messages import MAX_MESSAGE_BYTES, Message, Refusal, Signer, Verifier

HEARTBEAT = "heartbeat"
# Only the newest counts. A few are kept, so that garbage in between can't displace a good one.
_QUEUE = 64
_MAX_DRAIN = 1_000


class HeartbeatPublisher:
    """Publishes the heartbeat of a process; bind once, publish from one thread.

    Parameters
    ----------
    endpoint
        Address to bind (``Endpoints.main_heartbeat`` or ``.watchdog_heartbeat``).
    signer
        Signer for this channel only.
    """

    def __init__(
        self, endpoint: str, signer: Signer, context: zmq.Context[zmq.Socket[bytes]] | None = None
    ) -> None:
        self._signer = signer
        self._socket = (context or zmq.Context.instance()).socket(zmq.PUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, _QUEUE)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError:
            self._socket.close()
            raise

    def publish(self, body: Mapping[str, object]) -> None:
        """Send one heartbeat. Never waits: a receiver that does not keep up misses some."""
        self._socket.send_multipart(self._signer.sign(HEARTBEAT, body), zmq.DONTWAIT)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class HeartbeatListener:
    """Takes the heartbeats of the other process.

    Parameters
    ----------
    endpoint
        Address to connect to; nobody needs to have bound it yet.
    verifier
        Verifier for this channel, made with ``kinds={HEARTBEAT}``.
    """

    def __init__(
        self, endpoint: str, verifier: Verifier, context: zmq.Context[zmq.Socket[bytes]] | None = None
    ) -> None:
        self._verifier = verifier
        self._socket = (context or zmq.Context.instance()).socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVHWM, _QUEUE)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        # After a restart of the publisher its heartbeats count within a fraction of the time-out.
        self._socket.setsockopt(zmq.RECONNECT_IVL, 50)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, 500)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.connect(endpoint)
        self.last: Message | None = None
        self.last_refusal: Refusal | None = None

    @property
    def verifier(self) -> Verifier:
        """Counts of what was accepted and refused."""
        return self._verifier

    def poll(self) -> Message | None:
        """Newest heartbeat that arrived since the last call, or None. Never waits."""
        newest = None
        for _ in range(_MAX_DRAIN):
            try:
                frames = self._socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            result = self._verifier.accept(frames)
            if isinstance(result, Refusal):
                self.last_refusal = result
            else:
                newest = result
        self.last = newest or self.last
        return newest

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
