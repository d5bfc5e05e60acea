"""Values that the wrapper hands out and that are no events."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractInfo:
    """What the broker says about one stock (``reqContractDetails``).

    ``trading_hours`` and ``liquid_hours`` are IB's own text, in the zone ``time_zone``.
    """

    symbol: str
    con_id: int
    min_tick: Decimal
    long_name: str
    primary_exchange: str
    currency: str
    time_zone: str
    trading_hours: str
    liquid_hours: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStatistics:
    """Counters since the session was made; they never fall.

    ``frames_undecoded`` counts messages that could not be read or handled, ``late_answers`` parts of answers to
    requests that had already ended.
    """

    connects: int
    connects_failed: int
    links_lost: int
    bytes_received: int
    frames_received: int
    frames_undecoded: int
    late_answers: int
    messages_sent: int
    probes: int
    requests_timed_out: int
    resyncs: int
