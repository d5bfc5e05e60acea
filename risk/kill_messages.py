"""Events that the kill sequence takes and actions that it asks for.

The sequence itself (``risk.kill_sequence``) reads no clock and opens no socket: each event carries the monotonic
time at which it happened, each action is carried out by ``risk.liquidation``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from core.events import OpenOrderReport
from core.vocabulary import BrokerStatus, Side


class FenceOutcome(StrEnum):
    """How it was made sure that main can send no further order."""

    ACKNOWLEDGED = "acknowledged"
    """Main signed that its order lane is closed."""
    KILLED = "killed"
    """Main did not answer in time; its verified process was ended by SIGKILL."""
    ABSENT = "absent"
    """No process of main is there to be fenced."""
    FAILED = "failed"
    """Main may still be able to send: flattening goes on, and the operator is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillLimits:
    """How patient the sequence is, in nanoseconds of the monotonic clock.

    Parameters
    ----------
    settle_ns
        Two looks at the account must agree this far apart.
    reread_ns
        First pause before a question is put again while the answer is not yet the wanted one; it doubles.
    recancel_ns
        A global cancel is repeated when orders are still open after this long.
    cancel_patience_ns
        An order that is still open after this long is treated as one that can't be cancelled.
    close_patience_ns
        Closing orders are cancelled and sent anew after this long without any fill.
    stall_ns
        The operator is told when for so long nothing has been closed and the end has not come.
    attempts
        Failed attempts in a row after which a symbol is left as residue.
    """

    settle_ns: int = 50_000_000
    reread_ns: int = 10_000_000
    recancel_ns: int = 500_000_000
    cancel_patience_ns: int = 10_000_000_000
    close_patience_ns: int = 10_000_000_000
    stall_ns: int = 10_000_000_000
    attempts: int = 3


# --- events in -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceEnded:
    """The fence has come to an outcome."""

    outcome: FenceOutcome
    detail: str
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionChanged:
    """The watchdog's own broker session became usable or stopped being so."""

    ready: bool
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrdersRead:
    """Answer to ``ReadOpenOrders``; ``orders`` is None when there was no answer (unknown, never "none")."""

    read_id: int
    orders: tuple[OpenOrderReport, ...] | None
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionsRead:
    """Answer to ``ReadPositions``: signed quantities by symbol, or None when there was no answer."""

    read_id: int
    positions: Mapping[str, Decimal] | None
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseStatus:
    """The broker's status of one of our closing orders; may repeat, be late, or never come."""

    order_ref: str
    status: BrokerStatus
    filled: Decimal
    at_ns: int
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRefused:
    """A closing order was rejected by the broker, or (``sent`` False) could not be handed to the socket."""

    order_ref: str
    detail: str
    at_ns: int
    sent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time has passed."""

    at_ns: int


KillEvent = FenceEnded | SessionChanged | OpenOrdersRead | PositionsRead | CloseStatus | CloseRefused | Tick


# --- actions out -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAll:
    """Send ``reqGlobalCancel``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RaiseFence:
    """Stop main from sending: HALT by IPC, else SIGKILL. Answered by ``FenceEnded``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStart:
    """Write the kill flag and the journal's KILL_STARTED."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOpenOrders:
    """Ask the broker for all open orders of the account."""

    read_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPositions:
    """Ask the broker for all positions, up to its end-of-list message."""

    read_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosingOrder:
    """One market order that closes (part of) one position."""

    order_ref: str
    symbol: str
    side: Side
    quantity: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SendCloses:
    """Journal all of ``orders`` in one batch, then send them."""

    orders: tuple[ClosingOrder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Record a step of the sequence in the journal and the log."""

    step: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warn:
    """Tell the operator at once."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Residue:
    """A position, or an order (``quantity`` 0), that could not be got rid of, with its reason."""

    symbol: str
    quantity: Decimal
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The sequence has ended: the account was read flat, or ``residue`` says what is left."""

    flat: bool
    residue: tuple[Residue, ...]


KillAction = (
    CancelAll | RaiseFence | RecordStart | ReadOpenOrders | ReadPositions | SendCloses | Note | Warn | Finish
)
