"""Live market data on the wire: built once a symbol, sent to every subscriber.

A tick's bytes differ between subscribers only in the request id near its start. So a symbol's step is encoded into
tails once, and each subscription puts its own head, which never changes, in front: this is what lets an accelerated
replay send tens of thousands of messages a second.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

from paper_gateway.codec import Field, encode_fields
from paper_gateway.types import BarView, QuoteView

_LENGTH = struct.Struct("!I")
_NS = 1_000_000_000


class TickKind(IntEnum):
    """Tick types (``ibapi.ticktype.TickTypeEnum``)."""

    BID_SIZE = 0
    BID = 1
    ASK = 2
    ASK_SIZE = 3
    LAST = 4
    LAST_SIZE = 5
    HIGH = 6
    LOW = 7
    VOLUME = 8
    CLOSE = 9
    OPEN = 14
    LAST_TIMESTAMP = 45
    HALTED = 49


class TickMessage(IntEnum):
    """The messages that carry ticks."""

    PRICE = 1
    SIZE = 2
    GENERIC = 45
    STRING = 46


@dataclass(frozen=True, slots=True)
class TickTail:
    """A tick without its head: the message that carries it, and the fields behind the request id."""

    carrier: TickMessage
    payload: bytes


class TickHeads:
    """Heads of one subscription's tick messages."""

    __slots__ = ("_heads",)

    def __init__(self, request_id: int) -> None:
        self._heads = {kind: encode_fields(kind.value, 6, request_id) for kind in TickMessage}

    def messages(self, tails: Iterable[TickTail]) -> list[bytes]:
        """Complete messages of ``tails`` for this subscription."""
        out = []
        for tail in tails:
            head = self._heads[tail.carrier]
            out.append(_LENGTH.pack(len(head) + len(tail.payload)) + head + tail.payload)
        return out


def _price(kind: TickKind, price: Decimal, size: int = 0, attributes: int = 0) -> TickTail:
    return TickTail(TickMessage.PRICE, encode_fields(kind.value, price, size, attributes))


def _size(kind: TickKind, size: int) -> TickTail:
    return TickTail(TickMessage.SIZE, encode_fields(kind.value, size))


def quote_ticks(quote: QuoteView, before: QuoteView | None) -> list[TickTail]:
    """Ticks that lead from ``before`` to ``quote``; all of them when there is no ``before``.

    A price tick carries its size. A size that changes alone comes as a size tick, as TWS does it.
    """
    tails: list[TickTail] = []
    if before is None or quote.bid != before.bid:
        tails.append(_price(TickKind.BID, quote.bid, quote.bid_size, 1))
    elif quote.bid_size != before.bid_size:
        tails.append(_size(TickKind.BID_SIZE, quote.bid_size))
    if before is None or quote.ask != before.ask:
        tails.append(_price(TickKind.ASK, quote.ask, quote.ask_size, 1))
    elif quote.ask_size != before.ask_size:
        tails.append(_size(TickKind.ASK_SIZE, quote.ask_size))
    traded = before is None or quote.day_volume != before.day_volume
    if before is None or quote.last != before.last:
        tails.append(_price(TickKind.LAST, quote.last, quote.last_size))
    elif quote.last_size != before.last_size:
        tails.append(_size(TickKind.LAST_SIZE, quote.last_size))
    if traded:
        tails.append(_size(TickKind.VOLUME, quote.day_volume))
        tails.append(
            TickTail(
                TickMessage.STRING, encode_fields(TickKind.LAST_TIMESTAMP.value, str(quote.time_ns // _NS))
            )
        )
    tails += _day_ticks(quote, before)
    if before is None or quote.halted != before.halted:
        tails.append(TickTail(TickMessage.GENERIC, encode_fields(TickKind.HALTED.value, int(quote.halted))))
    return tails


def _day_ticks(quote: QuoteView, before: QuoteView | None) -> list[TickTail]:
    pairs = (
        (TickKind.HIGH, quote.day_high, before and before.day_high),
        (TickKind.LOW, quote.day_low, before and before.day_low),
        (TickKind.OPEN, quote.day_open, before and before.day_open),
        (TickKind.CLOSE, quote.previous_close, before and before.previous_close),
    )
    return [_price(kind, price) for kind, price, old in pairs if price != old]


def real_time_bar_tail(bar: BarView) -> bytes:
    """Fields of realTimeBar behind the request id. Volume and count are whole numbers for the official client."""
    return encode_fields(
        *(bar.start_ns // _NS, bar.open, bar.high, bar.low, bar.close),
        *(round(bar.volume), bar.wap, bar.count),
    )


def real_time_bar_head(request_id: int) -> bytes:
    """Fields of realTimeBar up to the request id."""
    return encode_fields(50, 3, request_id)


def join_frame(head: bytes, tail: bytes) -> bytes:
    """One message of a head and a tail."""
    return _LENGTH.pack(len(head) + len(tail)) + head + tail


def tick_by_tick(request_id: int, tick_type: str, quote: QuoteView) -> bytes:
    """Build tickByTick: Last (1), AllLast (2), BidAsk (3) or MidPoint (4)."""
    number = {"Last": 1, "AllLast": 2, "BidAsk": 3, "MidPoint": 4}[tick_type]
    head: tuple[Field, ...] = (99, request_id, number, quote.time_ns // _NS)
    if number <= 2:
        payload = encode_fields(*head, quote.last, quote.last_size, 0, "SMART", "")
    elif number == 3:
        payload = encode_fields(*head, quote.bid, quote.ask, quote.bid_size, quote.ask_size, 0)
    else:
        payload = encode_fields(*head, (quote.bid + quote.ask) / 2)
    return join_frame(payload, b"")
