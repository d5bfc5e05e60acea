"""What must be known before the first live bar: history for the indicators, and each contract's tick size."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Final, Protocol, TypeVar

from core.config_schema import BarSettings
from core.errors import BackstopError
from core.events import Bar
from core.ib_wrapper.types import ContractInfo
from core.vocabulary import Unknown
from data.bar_assembler import MarketRow
from data.bar_grid import NS_PER_S

_SESSION_S: Final = 23_400
_DAYS_IN_A_YEAR_OF_SESSIONS: Final = 250
_LONGEST_IN_DAYS: Final = 365
# IB closes in on clients with more than six requests for a contract in 2 s or 50 at a time; five is polite.
_AT_ONCE: Final = 5
_Answer = TypeVar("_Answer")


class HistoryPort(Protocol):
    """The part of the broker session that the warm-up needs."""

    def historical_bars(
        self, symbol: str, *, bar_size_s: int, duration: str, end_ns: int | None
    ) -> Future[tuple[Bar, ...] | Unknown]:
        """Ask for past bars, stamped with their end."""
        ...

    def contract_details(self, symbol: str) -> Future[ContractInfo | Unknown]:
        """Ask for a contract."""
        ...

    def current_time(self) -> Future[int | Unknown]:
        """Ask for the broker's time, seconds since the epoch."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """Past rows, oldest first, and what could not be had (one sentence each)."""

    rows: tuple[MarketRow, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def last_end_ns(self) -> int:
        """End of the newest row; 0 when there is none."""
        return self.rows[-1].end_ns if self.rows else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contracts:
    """Tick sizes and primary exchanges by symbol, and the symbols that the broker doesn't know."""

    min_ticks: Mapping[str, Decimal] = field(default_factory=dict)
    exchanges: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def duration_for(bars: int, size_s: int) -> str:
    """Duration, as IB writes it, that holds at least ``bars`` bars of regular hours.

    One session more than needed, because the first may be cut short and an early close holds fewer bars.
    """
    sessions = math.ceil(bars / max(1, _SESSION_S // size_s)) + 1
    if sessions <= _LONGEST_IN_DAYS:
        return f"{sessions} D"
    return f"{math.ceil(sessions / _DAYS_IN_A_YEAR_OF_SESSIONS)} Y"


def load_history(
    session: HistoryPort, symbols: Sequence[str], settings: BarSettings, *, timeout_s: float
) -> Warmup:
    """Ask for the warm-up bars of every symbol and put them into rows.

    Only closed bars count: the one that is still forming at the broker's present time is left out. Blocks; it is
    meant for the start, before any live bar is subscribed.

    Parameters
    ----------
    timeout_s
        Patience with each answer. A symbol without one is named in ``problems`` and starts cold.
    """
    if settings.warmup_bars == 0:
        return Warmup()
    clock: dict[str, int] = {}
    problem = _wait(_put(session.current_time), timeout_s, "the broker's time", clock, "now")
    if problem:
        return Warmup(problems=(problem,))
    duration = duration_for(settings.warmup_bars, settings.size_s)
    answers, problems = _ask_all(
        symbols,
        lambda s: session.historical_bars(s, bar_size_s=settings.size_s, duration=duration, end_ns=None),
        timeout_s,
        "history",
    )
    kept = {
        symbol: [bar for bar in bars if bar.end_ns <= clock["now"] * NS_PER_S][-settings.warmup_bars :]
        for symbol, bars in answers.items()
    }
    short = [
        f"{symbol}: {len(bars)} past bars of {settings.warmup_bars}"
        for symbol, bars in kept.items()
        if len(bars) < settings.warmup_bars
    ]
    return Warmup(rows=rows_of(kept), problems=(*problems, *short))


def load_contracts(session: HistoryPort, symbols: Sequence[str], *, timeout_s: float) -> Contracts:
    """Ask for every symbol's contract; those that stay unknown are named in ``problems``."""
    answers, problems = _ask_all(symbols, session.contract_details, timeout_s, "contract details")
    return Contracts(
        min_ticks={s: info.min_tick for s, info in answers.items()},
        exchanges={s: info.primary_exchange for s, info in answers.items()},
        problems=problems,
    )


def rows_of(bars: Mapping[str, Sequence[Bar]]) -> tuple[MarketRow, ...]:
    """Rows of the bars of several symbols, by their ends; a symbol without a bar is missing from that row."""
    by_end: dict[int, dict[str, Bar]] = {}
    for symbol in sorted(bars):
        for bar in bars[symbol]:
            by_end.setdefault(bar.end_ns, {})[symbol] = bar
    return tuple(
        MarketRow(end_ns=end_ns, bars=row, missing=tuple(s for s in sorted(bars) if s not in row))
        for end_ns, row in sorted(by_end.items())
    )


def _ask_all(
    symbols: Sequence[str],
    ask: Callable[[str], Future[_Answer | Unknown]],
    timeout_s: float,
    what: str,
) -> tuple[dict[str, _Answer], tuple[str, ...]]:
    """Put one question a symbol, a few at a time; answers by symbol, and a problem for each without."""
    waiting = deque(dict.fromkeys(symbols))
    asked: deque[tuple[str, Future[_Answer | Unknown]]] = deque()
    answers: dict[str, _Answer] = {}
    problems: list[str] = []
    while waiting or asked:
        while waiting and len(asked) < _AT_ONCE:
            symbol = waiting.popleft()
            asked.append((symbol, _put(partial(ask, symbol))))
        symbol, future = asked.popleft()
        problem = _wait(future, timeout_s, f"{what} of {symbol}", answers, symbol)
        if problem:
            problems.append(problem)
    return answers, tuple(problems)


def _put(ask: Callable[[], Future[_Answer | Unknown]]) -> Future[_Answer | Unknown]:
    """Put a question; one that could not even be asked is a future that has failed."""
    try:
        return ask()
    except BackstopError as error:
        failed: Future[_Answer | Unknown] = Future()
        failed.set_exception(error)
        return failed


def _wait(
    future: Future[_Answer | Unknown], timeout_s: float, what: str, answers: dict[str, _Answer], key: str
) -> str:
    """Wait for an answer and file it under ``key``; return the problem, or an empty text."""
    try:
        answer = future.result(timeout_s)
    except FutureTimeout:
        return f"{what}: no answer in {timeout_s:g} s"
    except BackstopError as error:
        return f"{what}: {error}"
    if isinstance(answer, Unknown):
        return f"{what}: {answer}"
    answers[key] = answer
    return ""
