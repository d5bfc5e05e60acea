"""Why something was not done: the one vocabulary of denials, for kernels, pre-trade checks and the engine.

An ``IntEnum`` so that kernels can return it; the journal and the reports use the lower-case name.
"""

from __future__ import annotations

from enum import IntEnum


class Reason(IntEnum):
    """Reason code of a denial or of a reduction. ``NONE`` means that the target stands as asked."""

    NONE = 0
    # portfolio.decide
    NO_PRICE = 1
    NO_ATR = 2
    ZERO_QUANTITY = 3
    DRAWDOWN_THROTTLE = 4
    VOLATILITY_TARGET = 5
    GROSS_CAP = 6
    SYMBOL_CAP = 7
    POSITIONS_CAP = 8
    PARTICIPATION_CAP = 9
    SETTLED_CASH = 10
    FILL_BUDGET = 11
    FLIP_VIA_FLAT = 12
    SHORT_NOT_ALLOWED = 13
    STOPPED_OUT = 14
    NO_NLV = 15
    STRATEGY_CAPITAL = 16
    PAIR_BROKEN = 17
    RESTRICTED = 18
    # pre-trade checks
    SYMBOL_NOT_ALLOWED = 30
    PRICE_COLLAR = 31
    MAX_QUANTITY = 32
    MAX_NOTIONAL = 33
    DUPLICATE = 34
    SELF_CROSS = 35
    STALE_PRICE = 36
    ORDER_RATE = 37
    REPEAT_THROTTLE = 38
    BAD_QUANTITY = 39
    NO_METHOD = 40
    # engine
    HALTED = 60
    REDUCE_ONLY = 61
    NO_LEASE = 62
    NOT_CONNECTED = 63
    FEED_STALE = 64
    SYMBOL_LOCKED = 65
    NOT_RECONCILED = 66
    EXIT_PENDING = 67
    MARKET_CLOSED = 68
    # veto
    ML_VETO = 70
    VETO_UNKNOWN = 71
    # backtest
    ORDER_EXPIRED = 80
    DELISTED = 81

    @property
    def code(self) -> str:
        """Lower-case name, as written to the journal."""
        return self.name.lower()
