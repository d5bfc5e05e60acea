"""What the engine knows of an order beside the order itself: its context, and the bars that it is measured by."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from core.vocabulary import Side
from data.bar_assembler import MarketRow
from data.exchange_calendar import Session
from execution.methods.situation import SessionTimes
from portfolio.algo_wheel import OrderContext
from portfolio.live_manager.book import LiveBook
from portfolio.live_manager.decision_cycle import Decision

ENTRY_URGENCY = 0.5
EXIT_URGENCY = 0.8
"""How much waiting hurts, where 1 is "at once": an exit gives up risk that isn't wanted any more."""

_RANGE_OF_BROWNIAN_MOTION = math.sqrt(
    8.0 / math.pi
)  # its expected range over its standard deviation, Parkinson 1980
_SESSIONS = 2
_FALL = 0.9  # of the previous close, 17 CFR 242.201
_REMEMBERED = 200  # executions, from the newest backwards, whose symbols are marked after a restart


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMoment:
    """Where in its session a bar ended, how many bars such a session has, and when it opens and closes."""

    day_fraction: float
    bars: float
    session: SessionTimes

    @classmethod
    def of(cls, session: Session, end_ns: int, bar_s: int) -> SessionMoment:
        """Place the bar that ended at ``end_ns`` within its session."""
        length_ns = session.close_ns - session.open_ns
        return cls(
            day_fraction=(end_ns - session.open_ns) / length_ns,
            bars=session.duration_s / bar_s,
            session=session_times(session),
        )


def session_times(session: Session) -> SessionTimes:
    """Session as execution knows it."""
    return SessionTimes(open_ns=session.open_ns, close_ns=session.close_ns)


def order_context(decision: Decision, price: float, moment: SessionMoment) -> OrderContext:
    """Context of the order that a decision leads to; the spread is added when it is sent.

    The session's volatility is the bars' average true range over the range that Brownian motion would have, scaled by
    the root of time; the average daily volume is the bars' average volume times the bars of a session.
    """
    change = decision.target - decision.position
    quantity = float(abs(decision.position) - abs(decision.target) if decision.position else change)
    bar_volatility = decision.atr / _RANGE_OF_BROWNIAN_MOTION / price
    volume = decision.average_volume * moment.bars
    return OrderContext(
        side=Side.BUY if change > 0 else Side.SELL,
        spread_bps=math.nan,
        volatility_bps=bar_volatility * math.sqrt(moment.bars) * 1e4,
        adv_share=abs(quantity) / volume if volume > 0 else math.nan,
        day_fraction=moment.day_fraction,
        urgency=EXIT_URGENCY if decision.position else ENTRY_URGENCY,
    )


class ShortSaleTest:
    """Which symbols rule 201 of Regulation SHO restricts: down a tenth from the previous close, today or the session before.

    What happened before this process began isn't known; the broker holds such orders back by itself.
    """

    def __init__(self) -> None:
        self._previous_close: dict[str, float] = {}
        self._last_close: dict[str, float] = {}
        self._fallen: set[str] = set()
        self._fallen_before: set[str] = set()

    def begin_session(self) -> None:
        """Take the last closes as those of the session that has ended."""
        self._previous_close = dict(self._last_close)
        self._fallen_before, self._fallen = self._fallen, set()

    def take(self, row: MarketRow) -> None:
        """Look at the lows of a row."""
        for symbol, bar in row.bars.items():
            if bar.low <= _FALL * self._previous_close.get(symbol, 0.0):
                self._fallen.add(symbol)
            self._last_close[symbol] = bar.close

    def restricts(self, symbol: str) -> bool:
        """Whether a short sale of ``symbol`` may not take the bid."""
        return symbol in self._fallen or symbol in self._fallen_before


class MarkedSymbols:
    """Symbols whose bars are journaled: those in which an order works, or worked in this session or the one before.

    Parameters
    ----------
    book
        Tells which orders work (what is held has its protective stop) and, after a restart, what filled last.
    """

    def __init__(self, book: LiveBook) -> None:
        self._book = book
        self._sessions_left: dict[str, int] = {}
        self.note(execution.symbol for execution in book.ledger.executions()[-_REMEMBERED:])

    def begin_session(self) -> None:
        """Forget what was last worked on before the session that has just ended."""
        self._sessions_left = {s: left - 1 for s, left in self._sessions_left.items() if left > 1}

    def note(self, symbols: Iterable[str]) -> None:
        """Mark symbols in which an order has just been decided: it may end before the next row."""
        self._sessions_left |= dict.fromkeys(symbols, _SESSIONS)

    def bars(self, row: MarketRow) -> dict[str, list[float]]:
        """Open, high, low, close and volume of the row's marked symbols."""
        self.note(state.order.symbol for state in self._book.orders.pending())
        return {
            symbol: [bar.open, bar.high, bar.low, bar.close, bar.volume]
            for symbol, bar in row.bars.items()
            if symbol in self._sessions_left
        }
