"""The words of the domain: enumerations that messages, settings and journals share.

A value is spelled as it stands in the journal, and where the broker has a word for it as the broker spells it.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

KILL_PREFIX = "BS-KILL-"
"""Beginning of the orderRef of every closing order of the watchdog."""


class Side(StrEnum):
    """Direction of an order; ``sign`` is +1 or -1."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """Order types, spelled as IB spells them."""

    MARKET = "MKT"
    LIMIT = "LMT"
    STOP = "STP"
    STOP_LIMIT = "STP LMT"
    TRAIL = "TRAIL"
    MARKET_ON_CLOSE = "MOC"
    LIMIT_ON_CLOSE = "LOC"
    RELATIVE = "REL"
    """pegged to the near touch"""
    PEGGED_TO_MIDPOINT = "PEG MID"
    """at IB's own venue only; ``MIDPRICE`` is its smart-routed sister"""
    MIDPRICE = "MIDPRICE"


class ExecutionMethod(StrEnum):
    """How a parent order is worked; ``execution.methods`` turns each into the broker's instructions.

    The spelling stands in the journal and in the TCA database, so a method is never renamed.
    """

    MKT = "MKT"
    LMT = "LMT"
    PEG_MID = "PEG_MID"
    REL = "REL"
    """pegged to the near touch (IB's relative order)"""
    ADAPTIVE_URGENT = "ADAPTIVE_URGENT"
    ADAPTIVE_NORMAL = "ADAPTIVE_NORMAL"
    ADAPTIVE_PATIENT = "ADAPTIVE_PATIENT"
    TWAP = "TWAP"
    VWAP = "VWAP"
    MOC = "MOC"
    LOC = "LOC"


class TimeInForce(StrEnum):
    """How long an order works."""

    DAY = "DAY"
    GTC = "GTC"


class Purpose(StrEnum):
    """Why an order exists; decides what a reduce-only state still lets through."""

    ENTRY = "entry"
    EXIT = "exit"
    STOP = "stop"
    FLATTEN = "flatten"

    @property
    def adds_risk(self) -> bool:
        """True only for an entry."""
        return self is Purpose.ENTRY


class BrokerStatus(StrEnum):
    """IB's order states as they appear in ``orderStatus``."""

    PENDING_SUBMIT = "PendingSubmit"
    PRE_SUBMITTED = "PreSubmitted"
    SUBMITTED = "Submitted"
    PENDING_CANCEL = "PendingCancel"
    API_CANCELLED = "ApiCancelled"
    CANCELLED = "Cancelled"
    FILLED = "Filled"
    INACTIVE = "Inactive"
    UNKNOWN = "Unknown"

    @property
    def is_over(self) -> bool:
        """Whether nothing of the order works any more: it has ended, or was put aside as inactive."""
        return self in {
            BrokerStatus.FILLED,
            BrokerStatus.CANCELLED,
            BrokerStatus.API_CANCELLED,
            BrokerStatus.INACTIVE,
        }


class ConnectionState(StrEnum):
    """States of the broker connection (``core.ib_wrapper.state``)."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    READY = "ready"
    DEGRADED = "degraded"
    LOST = "lost"


class FeedStatus(StrEnum):
    """Whether a symbol's market data can be acted on."""

    LIVE = "live"
    STALE = "stale"
    GAP = "gap"
    NO_SUBSCRIPTION = "no_subscription"


class HaltReason(StrEnum):
    """Why trading stopped. The text for humans stands in ``docs/runbook.md``."""

    KILL_NOW_FLAG = "kill_now_flag"
    KILL_FLAG = "kill_flag"
    HEARTBEAT = "heartbeat"
    PROGRESS = "progress"
    ORDER_RATE = "order_rate"
    DRAWDOWN = "drawdown"
    DAILY_LOSS = "daily_loss"
    GROSS_EXPOSURE = "gross_exposure"
    FILL_BUDGET = "fill_budget"
    BOOK_MISMATCH = "book_mismatch"
    BROKER_SILENCE = "broker_silence"
    FLAG_FOLDER = "flag_folder"
    QUEUE_OVERFLOW = "queue_overflow"
    JOURNAL = "journal"
    WATCHDOG_COMMAND = "watchdog_command"
    INTERNAL_ERROR = "internal_error"


class HaltLevel(IntEnum):
    """How far a process has stopped; a higher level never falls by itself."""

    NONE = 0
    REDUCE_ONLY = 1
    HALTED = 2


class Unknown(StrEnum):
    """Why a broker request has no answer. Never to be read as empty, zero or flat."""

    TIMED_OUT = "timed_out"
    DISCONNECTED = "disconnected"
    REFUSED = "refused"
