r"""Frames and fields of the TWS socket protocol, without input or output of their own.

A frame is a four-byte big-endian length and a payload; a payload is a row of text fields, each ended by NUL. The
very first bytes of a client are the four of ``API\0``, outside any frame.
Layouts: the encoder and decoder of IB's own client (``ibapi.comm``, ``ibapi.client``, ``ibapi.decoder``), at server
version 157.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

SERVER_VERSION = 157
PREFIX = b"API\0"
# The longest message a client has reason to send is an order with conditions and algo parameters: a few KiB.
MAX_FRAME = 65_536

# IB's "no value" for doubles and integers. Clients differ: some send these, some an empty field.
UNSET_DOUBLE = "1.7976931348623157E308"
UNSET_TEXTS = frozenset({"", UNSET_DOUBLE, "1.7976931348623157e+308", "2147483647"})

_INTEGER_LIMIT = 2**63

_LENGTH = struct.Struct("!I")
_CONTROL = dict.fromkeys((*range(32), 127), " ")


class MalformedMessage(ValueError):
    """One message can't be read. The client is told (error 320) and the connection goes on."""


class ProtocolViolation(ValueError):
    """The byte stream itself can't be followed any further: the connection must be closed."""


Field = str | int | float | bool | Decimal | None


def encode_field(value: Field) -> str:
    """Text of one field, without its terminator.

    ``None`` becomes the empty field, a bool ``1`` or ``0``. Control characters (a NUL would add a field) become
    spaces; anything that isn't ASCII is escaped, because clients at this version read messages as 7-bit text.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, str):
        if value.isascii() and value.isprintable():
            return value
        return value.translate(_CONTROL).encode("ascii", "backslashreplace").decode("ascii")
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def encode_fields(*values: Field) -> bytes:
    """Payload of a message: every field with its terminator."""
    return ("\0".join([encode_field(value) for value in values]) + "\0").encode("ascii")


def frame(payload: bytes) -> bytes:
    """Put the length in front of a payload."""
    return _LENGTH.pack(len(payload)) + payload


def message(*values: Field) -> bytes:
    """One complete message, ready for the socket."""
    return frame(encode_fields(*values))


def decode_fields(payload: bytes) -> list[str]:
    """Fields of a payload.

    Raises
    ------
    MalformedMessage
        When the last field isn't terminated.
    """
    if not payload.endswith(b"\0"):
        raise MalformedMessage("the last field of the message isn't terminated")
    return payload[:-1].decode("utf-8", "backslashreplace").split("\0")


class FrameReader:
    """Cuts a byte stream into payloads, whatever the pieces in which it arrives."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._buffer = bytearray()
        self._offset = 0
        self._max_frame = max_frame

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        if self._offset:
            # One move per received block, not per message: a burst of small messages stays linear.
            del self._buffer[: self._offset]
            self._offset = 0
        self._buffer += data

    def take_prefix(self) -> bool:
        r"""Take the client's ``API\0``; False when it hasn't arrived in full.

        Raises
        ------
        ProtocolViolation
            When the peer says something else (a browser, a port scanner).
        """
        head = bytes(self._buffer[self._offset : self._offset + len(PREFIX)])
        if not PREFIX.startswith(head):
            raise ProtocolViolation("the peer doesn't speak the TWS protocol: it did not begin with API")
        if len(head) < len(PREFIX):
            return False
        self._offset += len(PREFIX)
        return True

    def next(self) -> bytes | None:
        """Return the next payload, or None until more bytes come.

        Raises
        ------
        ProtocolViolation
            When a length is zero or above the limit, so that the stream can't be followed.
        """
        available = len(self._buffer) - self._offset
        if available < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer, self._offset)
        if not 0 < length <= self._max_frame:
            raise ProtocolViolation(f"a message of {length} bytes; 1 to {self._max_frame} are allowed")
        if available < _LENGTH.size + length:
            return None
        start = self._offset + _LENGTH.size
        self._offset = start + length
        return bytes(self._buffer[start : self._offset])

    @property
    def pending(self) -> int:
        """Bytes received and not yet taken."""
        return len(self._buffer) - self._offset


class FieldReader:
    """Reads the fields of one message from left to right."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self._next = 0

    def text(self) -> str:
        """Return the next field as it stands.

        Raises
        ------
        MalformedMessage
            When the message has no more fields (also by the other readers).
        """
        if self._next >= len(self._fields):
            raise MalformedMessage(f"the message ends after {len(self._fields)} fields; more are needed")
        value = self._fields[self._next]
        self._next += 1
        return value

    def integer(self, default: int = 0) -> int:
        """Return the next field as an integer; an empty or unset field gives ``default``."""
        text = self.text()
        if text in UNSET_TEXTS:
            return default
        try:
            value = int(text)
        except ValueError:
            raise MalformedMessage(f"field {self._next}: {text[:40]!r} isn't an integer") from None
        if not -_INTEGER_LIMIT < value < _INTEGER_LIMIT:
            raise MalformedMessage(f"field {self._next}: {text[:40]!r} is out of range")
        return value

    def boolean(self) -> bool:
        """Return the next field as a truth value; clients send ``1``/``0`` or ``True``/``False``."""
        text = self.text()
        if text in {"1", "True", "true"}:
            return True
        if text in {"0", "False", "false", ""}:
            return False
        raise MalformedMessage(f"field {self._next}: {text[:40]!r} isn't a truth value")

    def decimal(self) -> Decimal | None:
        """Return the next field as a finite number, or None when it is empty or unset."""
        return parse_decimal(self.text())

    def take(self, count: int) -> list[str]:
        """Return the next ``count`` fields as they stand."""
        if count < 0 or self._next + count > len(self._fields):
            raise MalformedMessage(f"{count} fields are announced; {self.left} are left")
        values = list(self._fields[self._next : self._next + count])
        self._next += count
        return values

    def skip(self, count: int = 1) -> None:
        """Pass over ``count`` fields."""
        self.take(count)

    @property
    def left(self) -> int:
        """How many fields have not been read."""
        return len(self._fields) - self._next


def parse_decimal(text: str) -> Decimal | None:
    """Read a number as clients write it; None when it is empty or unset.

    Raises
    ------
    MalformedMessage
        When it isn't a finite number of reasonable size.
    """
    if text in UNSET_TEXTS:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise MalformedMessage(f"{text[:40]!r} isn't a number") from None
    if not value.is_finite() or (value and not -12 <= value.adjusted() <= 15):
        raise MalformedMessage(f"{text[:40]!r} is out of range")
    return value
