"""The TWS stream without the socket: bytes in, frames out.

A frame is a big-endian 32-bit length and a payload of fields, each ended by a NUL. ibapi's own reader slices its
buffer again for every frame (quadratic in a burst) and waits for a short ``recv`` before it looks at all; this one
keeps an offset and gives each frame as soon as its last byte is there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

# ibapi's own limit (ibapi.common.MAX_MSG_LEN); a greater length means that the stream is out of step.
MAX_PAYLOAD: Final = 0xFFFFFF
MIN_CLIENT_VERSION: Final = 100
MAX_CLIENT_VERSION: Final = 157
# From 136 on executions carry lastLiquidity and P&L is complete; the readers here rely on that layout.
MIN_SERVER_VERSION: Final = 136

_LENGTH: Final = struct.Struct("!I")


class StreamOutOfStep(ValueError):
    """The bytes are no TWS stream, so no later frame can be trusted: the connection must be dropped."""


class FrameBuffer:
    """Collects received bytes and cuts them into payloads."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Add ``data``; return each payload that is complete now, in order.

        Raises
        ------
        StreamOutOfStep
            If a length is beyond the protocol's limit.
        """
        buffer = self._buffer
        buffer += data
        payloads: list[bytes] = []
        start, end = 0, len(buffer)
        while end - start >= 4:
            (size,) = _LENGTH.unpack_from(buffer, start)
            if size > MAX_PAYLOAD:
                raise StreamOutOfStep(f"a frame of {size} bytes was announced; the limit is {MAX_PAYLOAD}")
            stop = start + 4 + size
            if stop > end:
                break
            payloads.append(bytes(buffer[start + 4 : stop]))
            start = stop
        del buffer[:start]
        return payloads

    def __len__(self) -> int:
        return len(self._buffer)


def frame(payload: str) -> bytes:
    """Payload with its length in front, as it goes on the wire."""
    body = payload.encode()
    return _LENGTH.pack(len(body)) + body


def fields_of(payload: bytes) -> list[bytes]:
    """Fields of a payload; what follows the last NUL is no field."""
    fields = payload.split(b"\0")
    fields.pop()
    return fields


def hello() -> bytes:
    """First bytes of a client: the prefix and the versions that it speaks."""
    return b"API\0" + frame(f"v{MIN_CLIENT_VERSION}..{MAX_CLIENT_VERSION}")


@dataclass(frozen=True, slots=True)
class ServerHello:
    """The server's answer: negotiated version and its time, as text."""

    version: int
    time: str


def parse_server_hello(payload: bytes) -> ServerHello | None:
    """Read the server's answer to ``hello``; None for another message, which TWS may send first.

    Raises
    ------
    StreamOutOfStep
        If the version is one that can't be spoken.
    """
    fields = fields_of(payload)
    if len(fields) != 2 or not fields[0].lstrip(b"-").isdigit() or len(fields[0]) > 9:
        return None
    version = int(fields[0])
    if not MIN_SERVER_VERSION <= version <= MAX_CLIENT_VERSION:
        raise StreamOutOfStep(
            f"the server speaks version {version}; "
            f"this wrapper needs {MIN_SERVER_VERSION} to {MAX_CLIENT_VERSION}"
        )
    return ServerHello(version, fields[1].decode("ascii", "backslashreplace"))
