"""From payloads to callbacks: ibapi's decoder, with its traps closed.

ibapi's own loop ends when a callback raises, a field is missing or an id isn't a number; it drops a simple message
that has one field more than it knows (an error message of a newer TWS). Here a frame that can't be read costs that
frame only, and the session hears which sort of message it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog
from ibapi.decoder import Decoder
from ibapi.message import IN
from ibapi.utils import BadMessage

from core.errors import BackstopError
from core.ib_wrapper.callbacks import Callbacks
from core.ib_wrapper.wire import fields_of

# What a malformed message or a mistake in a handler can raise. Anything else (MemoryError, a bug in the interpreter)
# ends the reader thread, which ends the connection, which is then made anew.
_CONTAINED: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BackstopError,
    BadMessage,
    LookupError,
    OSError,
    RuntimeError,
    StopIteration,  # ibapi's decoder takes fields with next()
    TypeError,
    ValueError,
)
# Messages whose loss may hide a fill, an order or a position.
_VITAL: Final = frozenset(
    {
        IN.ORDER_STATUS,
        IN.OPEN_ORDER,
        IN.OPEN_ORDER_END,
        IN.EXECUTION_DATA,
        IN.EXECUTION_DATA_END,
        IN.COMMISSION_REPORT,
        IN.POSITION_DATA,
        IN.POSITION_END,
        IN.ERR_MSG,
        IN.NEXT_VALID_ID,
        IN.MANAGED_ACCTS,
    }
)
_LOGGED_PER_SORT: Final = 5


def silence_ibapi() -> None:
    """Switch off ibapi's own loggers: they format every field of every tick (a third of the time of decoding)."""
    for name in ("client", "comm", "connection", "decoder", "orderdecoder", "reader", "utils", "wrapper"):
        logging.getLogger(f"ibapi.{name}").disabled = True


@dataclass(slots=True)
class Counters:
    """Counts across a session's connections; written by the reader thread."""

    frames: int = 0
    undecoded: int = 0


class Dispatcher:
    """Feeds payloads of one connection to the callbacks.

    Parameters
    ----------
    on_vital_loss
        Called with a description when a message was lost that may have held a fill, an order or a position.
    """

    def __init__(
        self,
        callbacks: Callbacks,
        server_version: int,
        *,
        on_vital_loss: Callable[[str], None],
        after_batch: Callable[[], None],
        is_current: Callable[[], bool],
        counters: Counters,
        log: structlog.typing.FilteringBoundLogger,
    ) -> None:
        self._decoder = Decoder(callbacks, server_version)
        self._on_vital_loss = on_vital_loss
        self._after_batch = after_batch
        self._is_current = is_current
        self._counters = counters
        self._log = log
        self._logged: dict[int, int] = {}
        # Simple messages are decoded by the signature of their callback: field count is fixed.
        self._lengths = {
            number: 1 + len(info.wrapperParams)
            for number, info in Decoder.msgId2handleInfo.items()
            if info.wrapperMeth is not None and info.wrapperParams is not None
        }

    def run(self, payloads: list[bytes]) -> None:
        """Handle a batch of payloads in order."""
        if not self._is_current():
            return
        self._counters.frames += len(payloads)
        interpret = self._decoder.interpret
        lengths = self._lengths
        for payload in payloads:
            fields = fields_of(payload)
            try:
                length = lengths.get(int(fields[0]))
                if length is not None and len(fields) != length:
                    if len(fields) < length:
                        raise ValueError(f"{len(fields)} fields instead of {length}")
                    del fields[length:]
                interpret(fields)
            except _CONTAINED as error:
                self._lost(payload, fields, error)
        self._after_batch()

    def _lost(self, payload: bytes, fields: list[bytes], error: Exception) -> None:
        self._counters.undecoded += 1
        number = int(fields[0]) if fields and fields[0].isdigit() and len(fields[0]) < 10 else -1
        times = self._logged.get(number, 0)
        if times < _LOGGED_PER_SORT and len(self._logged) < 200:
            self._logged[number] = times + 1
            self._log.error(
                "message_not_handled",
                message=number,
                fields=len(fields),
                error=f"{type(error).__name__}: {error}",
                start=payload[:80].decode("ascii", "backslashreplace"),
            )
        if number in _VITAL or number == -1:
            self._on_vital_loss(f"a message of sort {number} could not be read")
