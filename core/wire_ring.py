"""The last messages of a broker socket, in memory that outlives its process: the flight recorder's wire.

The supervisor makes the memory (a ``memfd``: no file, no disk) and hands its descriptor to the process; whatever ends that
process, SIGKILL included, the supervisor can still read it. Noting a message is a copy into memory: it waits for
nothing and cannot fail. A process that is started by hand has no ring.

Ticks, five-second bars, running P&L and the time of day are left out. In a second of trading they would push out all
that an incident asks for.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from typing import Final

RING_VARIABLE: Final = "BACKSTOP_WIRE_RING"
"""Environment variable that holds the descriptor's number."""
SLOTS: Final = 512
_SLOT_BYTES: Final = 1024
_SIZE: Final = SLOTS * _SLOT_BYTES
_NUMBER: Final = struct.Struct("<Q")
_REST: Final = struct.Struct("<QBI")
_HEADER: Final = _NUMBER.size + _REST.size
_ROOM: Final = _SLOT_BYTES - _HEADER
# Incoming tick price, size, generic, string, exchange-for-physical, request parameters, five-second bar; P&L of the
# account, time of its update, time of day.
_CHATTER: Final = tuple(b"%d\0" % number for number in (1, 2, 45, 46, 47, 81, 50, 94, 8, 49))
_ASKS_THE_TIME: Final = b"49\0"


class Direction(IntEnum):
    """Which way a message went."""

    IN = 0
    OUT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WireMessage:
    """One message as it was noted. ``length`` is that of the whole; ``payload`` may be its beginning only."""

    number: int
    monotonic_ns: int
    direction: Direction
    length: int
    payload: bytes


class WireRing:
    """Notes messages into the shared memory; several threads may.

    Parameters
    ----------
    descriptor
        Of memory made by `make_ring`; it stays open.
    monotonic_ns
        The clock.
    """

    def __init__(self, descriptor: int, monotonic_ns: Callable[[], int]) -> None:
        self._memory = mmap.mmap(descriptor, _SIZE)
        self._monotonic_ns = monotonic_ns
        # A restarted process goes on behind what the one before it has left.
        last = max((message.number for message in read_ring(descriptor)), default=0)
        self._numbers = count(last + 1)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], monotonic_ns: Callable[[], int]) -> WireRing | None:
        """Open the ring that the supervisor has handed over; None when there is none, or none that can be used."""
        text = environ.get(RING_VARIABLE, "")
        if not text.isdigit():
            return None
        try:
            descriptor = int(text)
            os.set_inheritable(descriptor, False)
            return cls(descriptor, monotonic_ns)
        except (OSError, ValueError):
            return None

    def received(self, payload: bytes) -> None:
        """Note a payload that came in."""
        if not payload.startswith(_CHATTER):
            self._note(Direction.IN, payload)

    def sent(self, payload: bytes | memoryview) -> None:
        """Note a payload that the kernel has taken."""
        if payload[:3] != _ASKS_THE_TIME:
            self._note(Direction.OUT, payload)

    def _note(self, direction: Direction, payload: bytes | memoryview) -> None:
        number = next(self._numbers)
        start = (number % SLOTS) * _SLOT_BYTES
        memory, kept = self._memory, bytes(payload[:_ROOM])
        # The number goes last: a process that dies half-way leaves a slot that is passed over, not a mixture.
        _NUMBER.pack_into(memory, start, 0)
        _REST.pack_into(memory, start + _NUMBER.size, self._monotonic_ns(), direction, len(payload))
        memory[start + _HEADER : start + _HEADER + len(kept)] = kept
        _NUMBER.pack_into(memory, start, number)


def make_ring(name: str) -> int:
    """Make the memory of a ring; return its descriptor, which the caller passes on and closes.

    Raises
    ------
    OSError
        When there is no memory for it.
    """
    descriptor = os.memfd_create(f"backstop-{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        # All of it now: a page that could not be had later would end the process that writes.
        os.posix_fallocate(descriptor, 0, _SIZE)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_ring(descriptor: int) -> tuple[WireMessage, ...]:
    """Read the messages that a ring holds, oldest first, also while its process goes on writing.

    Raises
    ------
    OSError
        When the descriptor can't be read.
    """
    data = os.pread(descriptor, _SIZE, 0)
    found = []
    for start in range(0, len(data) - _SLOT_BYTES + 1, _SLOT_BYTES):
        (number,) = _NUMBER.unpack_from(data, start)
        moment, direction, length = _REST.unpack_from(data, start + _NUMBER.size)
        if not number or direction > Direction.OUT:
            continue
        begin = start + _HEADER
        found.append(
            WireMessage(
                number=number,
                monotonic_ns=moment,
                direction=Direction(direction),
                length=length,
                payload=data[begin : begin + min(length, _ROOM)],
            )
        )
    return tuple(sorted(found, key=lambda message: message.number))
