"""Probation: promoted parameters trade at half risk until so many sessions lie in the band that the evidence lets expect.

The band is made with the promotion: cumulative returns of many resampled histories of the sessions out of sample, halved; around
their mean at every session, as many standard deviations wide as the wanted share of whole histories needs to stay inside it all
the time. So a good strategy fails by chance in one of twenty probations (at 95%), not at one of twenty sessions.

What the strategy earned is read from main's journal: its fills and commissions, what it holds at the last closes that the journal
tells (main tells the bars of every symbol in which an order works, and a position has its stop), over the account's equity. What a
kill closed of it counts as its own, as in main's book. A session in which that can't be told doesn't count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backtester.validation.block_length import optimal_block_length
from backtester.validation.bootstrap import STATIONARY, Draw, simulate_paths
from core.journal import Record, read
from core.payloads import commission_of, execution_of, text
from core.records import RecordKind
from governance.mandate import ProbationMandate
from governance.parameters import PROBATION_SCALE, Change
from portfolio.ledger import Applied, Ledger

FloatArray = npt.NDArray[np.float64]
_SEED = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a probation stands: ``verdict`` is passed, failed or goes on; ``returns`` of the sessions that counted."""

    verdict: str
    sessions: int
    wanted: int
    returns: tuple[float, ...]
    detail: str


def band_of(returns: FloatArray, asked: ProbationMandate) -> dict[str, Any]:
    """Make the band: lowest and highest cumulative return after each session, at half risk.

    Parameters
    ----------
    returns
        Of the sessions out of sample.
    asked
        Sessions, share of the histories, and how many of them.
    """
    block, _circular = optimal_block_length(returns)
    draw = Draw(kind=STATIONARY, block=block, horizon=asked.sessions, paths=asked.paths, seed=_SEED)
    paths = simulate_paths(returns * PROBATION_SCALE, draw, checkpoints=asked.sessions)
    gains = paths.levels - 1.0
    centre, spread = gains.mean(axis=0), np.maximum(gains.std(axis=0), 1e-9)
    width = float(np.quantile(np.abs((gains - centre) / spread).max(axis=1), asked.confidence))
    return {
        "sessions": asked.sessions,
        "low": (centre - width * spread).tolist(),
        "high": (centre + width * spread).tolist(),
    }


def judge(change: Change, returns: Iterable[float]) -> Standing:
    """Hold the sessions since a promotion against its band; NaN for a session that can't be told."""
    band = change.probation
    wanted, low, high = int(band["sessions"]), band["low"], band["high"]
    known = tuple(one for one in returns if math.isfinite(one))
    gains = np.cumprod(1.0 + np.array(known)) - 1.0
    for place, gain in enumerate(gains[:wanted].tolist()):
        if not low[place] <= gain <= high[place]:
            detail = (
                f"after {place + 1} sessions it stands at {gain:+.2%}, and the evidence lets expect {low[place]:+.2%} to "
                f"{high[place]:+.2%}"
            )
            return Standing(verdict="failed", sessions=place + 1, wanted=wanted, returns=known, detail=detail)
    count = min(len(known), wanted)
    stands = f"{gains[count - 1]:+.2%}" if count else "nothing yet"
    detail = f"{count} of {wanted} sessions inside the band, {stands}"
    verdict = "passed" if count == wanted else "goes on"
    return Standing(verdict=verdict, sessions=count, wanted=wanted, returns=known[:wanted], detail=detail)


@dataclass(slots=True)
class _Book:
    """One strategy's profit, from the journal: the ledger that main itself keeps, and the newest price of each symbol."""

    strategy: str
    ledger: Ledger = field(default_factory=Ledger)
    prices: dict[str, float] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        """Take one record; kinds that move neither shares nor prices are passed over."""
        payload = record.payload
        if record.kind == RecordKind.FILL:
            execution = execution_of(payload)
            if self.ledger.apply(execution, text(payload, "strategy")) is Applied.NEW:
                self.prices[execution.symbol] = float(execution.price)  # a correction's is an old price
        elif record.kind == RecordKind.COMMISSION:
            self.ledger.apply_commission(commission_of(payload))
        elif record.kind == RecordKind.MARKS:
            for symbol, bar in payload["bars"].items():
                self.prices[symbol] = float(bar[3] if isinstance(bar, list) else bar["close"])

    def value(self) -> float:
        """Profit so far, after the commissions of its own orders; what it holds has a price since its first fill."""
        earned = self.ledger.realised(self.strategy) - self.ledger.commissions(self.strategy)
        prices = {symbol: Decimal(repr(price)) for symbol, price in self.prices.items()}
        return float(earned + self.ledger.unrealised(prices, self.strategy))


def session_returns(journal: Path, strategy: str, is_start: Callable[[Record], bool]) -> list[float]:
    """Read what a strategy earned in each whole session of the runs that count, over the account's equity.

    The session that is under way, or was cut off by the journal's end, is not among them.

    Parameters
    ----------
    journal
        Main's.
    strategy
        Its name.
    is_start
        Whether a run that begins with this record counts (`governance.starts`).

    Raises
    ------
    FileNotFoundError, JournalCorrupt
        When the journal can't be read.
    """
    book, found = _Book(strategy), []
    counts = False
    begun: tuple[float, float] | None = None
    equity = math.nan
    for record in read(journal):
        payload = record.payload
        if record.kind == RecordKind.RUN_STARTED:
            counts = is_start(record)
            begun = begun if counts else None
        elif record.kind == RecordKind.SESSION:
            if counts and begun is not None:
                found.append(_earned(book, *begun))
            begun = (book.value(), equity) if counts else None
        elif record.kind == RecordKind.EQUITY:
            equity = float(payload["nlv"])
            if begun is not None and math.isnan(begun[1]):
                begun = (begun[0], equity)  # the account's very first bar
        else:
            book.take(record)
    return found


def _earned(book: _Book, before: float, equity: float) -> float:
    return (book.value() - before) / equity if equity > 0 else math.nan
