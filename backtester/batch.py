"""The fast lane: many parameter sets over many windows of one market, figures only.

    scores = score(settings, market, candidates, weights, windows=[Window(first=0, end=1500)])
    scores.sharpe[candidate, window, account]

Every figure equals what `backtester.run.run_backtest` finds for the same strategies on the same bars; curves, fills and
denials are not kept, so memory doesn't grow with the number of candidates beyond a row of figures each.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from backtester.columns import Columns
from backtester.engine import Desk, Rules, new_desk
from backtester.lane import Figure, Lane, Signals, lane_of, list_lane_news, run_lane
from backtester.market import Market
from backtester.money import LARGEST_NLV, MICRO
from backtester.run import check, rules_of, tape_of
from backtester.scan import scan_into
from core.config_schema import Settings
from core.errors import ConfigError
from portfolio.pairing import partner_columns
from strategy.base import Strategy

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Bars that are traded on, from ``first`` up to and without ``end``; all bars before ``first`` are warm-up.

    The account begins each window with the opening cash and ends it with whatever it holds, valued at the last close.
    """

    first: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Figures, each of shape (candidates, windows, accounts).

    Attributes
    ----------
    total_return, max_drawdown, mean_exposure
        Fractions; the exposure is gross position value over net liquidation value, mean over the bars.
    cagr, volatility_annual, sharpe
        As `backtester.report.annual_measures`; NaN where there is too little history or no variation.
    turnover, commission
        Dollars.
    fills
        Number of them.
    session_returns
        For each window, shape (candidates, accounts, sessions); empty unless asked for.
    """

    total_return: FloatArray
    cagr: FloatArray
    volatility_annual: FloatArray
    sharpe: FloatArray
    max_drawdown: FloatArray
    mean_exposure: FloatArray
    turnover: FloatArray
    commission: FloatArray
    fills: FloatArray
    session_returns: tuple[FloatArray, ...]


FIGURES = tuple(field.name for field in fields(Scores) if field.name != "session_returns")
"""Names of the figures."""


class Tapes:
    """Bars, tapes and indicators of a market, made once and used by several calls of `score`.

    Parameters
    ----------
    settings
        As for `score`, or others with the same ``sizing.atr_window``.
    market
        Aligned bars.
    per_symbol
        As for `score`.
    """

    def __init__(self, settings: Settings, market: Market, *, per_symbol: bool = False) -> None:
        self.settings, self.market, self.per_symbol = settings, market, per_symbol
        self._whole: tuple[Market, FloatArray, Columns, Lane] | None = None

    def parts(self, windows: Sequence[Window]) -> Iterator[_Part]:
        """Windows with what they are traded on.

        All at once; one by one if corporate actions make earlier prices depend on where a window ends. Without them
        nothing on a tape depends on later bars.
        """
        numbered = tuple(enumerate(windows))
        if self.market.actions:
            for one in numbered:
                yield _Part(*self._prepare(self.market.head(one[1].end)), (one,))
            return
        if self._whole is None:
            self._whole = self._prepare(self.market)
        yield _Part(*self._whole, numbered)

    def _prepare(self, known: Market) -> tuple[Market, FloatArray, Columns, Lane]:
        columns = range(len(known.symbols))
        markets = [known.only(column) for column in columns] if self.per_symbol else [known]
        empty = [np.empty((len(one.symbols), 0, len(one.end_ns))) for one in markets]
        seen = known.signal_bars()
        laid_out = Columns(seen)
        tapes = [
            tape_of(self.settings, one, none, None if self.per_symbol else laid_out)
            for one, none in zip(markets, empty, strict=True)
        ]
        return known, seen, laid_out, lane_of(tapes)


def score(
    settings: Settings,
    market: Market | Tapes,
    candidates: Sequence[Sequence[Strategy]],
    weights: Sequence[float],
    *,
    windows: Sequence[Window],
    per_symbol: bool = False,
    session_returns: bool = False,
    workers: int | None = None,
    on_done: Callable[[int], None] = lambda _candidates: None,
) -> Scores:
    """Trade every candidate in every window, each in a new account.

    Parameters
    ----------
    settings
        As for `run_backtest`.
    market
        Aligned bars; `Tapes` of them (and of ``per_symbol``) where several calls trade on the same.
    candidates
        Strategies (with parameters) that trade together, for each candidate.
    weights
        Share of the equity of each strategy of a candidate.
    windows
        At least one.
    per_symbol
        Give every symbol an account of its own (with the whole opening cash) instead of one that trades all of them.
    session_returns
        Keep the returns of each session (8 bytes each).
    workers
        Threads; None for one a core. The figures don't depend on it.
    on_done
        Called with the number of candidates that were finished since the last call, in the calling thread.

    Raises
    ------
    ConfigError
        As `run_backtest`.
    """
    bars = market.market if isinstance(market, Tapes) else market
    if not candidates:
        return _scores(np.empty((0, len(windows), _accounts(bars, per_symbol), len(Figure))), ())
    for names in {tuple(strategy.name for strategy in strategies) for strategies in candidates}:
        for window in windows:
            check(settings, bars.head(window.end), names, weights, window.first)
    last = max((window.end for window in windows), default=0)
    if last > len(bars.end_ns):  # kernels check no bounds
        raise ConfigError([f"a window ends with bar {last}, but there are only {len(bars.end_ns)}"])
    tapes = market if isinstance(market, Tapes) else Tapes(settings, bars.head(last), per_symbol=per_symbol)
    if tapes.per_symbol != per_symbol or tapes.settings.sizing.atr_window != settings.sizing.atr_window:
        raise ValueError("these tapes were made for other accounts or another ATR")
    work = _Work(settings, tapes, candidates, weights, windows, session_returns)
    threads = min(workers or len(os.sched_getaffinity(0)), len(candidates))
    if threads == 1:
        for _number in work.run(iter(range(len(candidates)))):
            on_done(1)
    else:
        _in_threads(work, len(candidates), threads, on_done)
    if (work.figures[..., Figure.FILLS] < 0).any():
        raise ConfigError(
            [f"an account is beyond {LARGEST_NLV / MICRO / 1e9:.0f} billion dollars: begin with less cash"]
        )
    return _scores(work.figures, tuple(work.returns))


def _accounts(market: Market, per_symbol: bool) -> int:
    return len(market.symbols) if per_symbol else 1


def _scores(figures: FloatArray, returns: tuple[FloatArray, ...]) -> Scores:
    columns = {name: figures[..., Figure[name.upper()]] for name in FIGURES}
    return Scores(session_returns=returns, **columns)


def _in_threads(work: _Work, candidates: int, threads: int, on_done: Callable[[int], None]) -> None:
    """Share the candidates out, one at a time; on an error or an interruption the others stop after their present one."""
    numbers = _Numbers(candidates)
    done: SimpleQueue[int] = SimpleQueue()

    def run() -> None:
        try:
            for _number in work.run(numbers):
                done.put(1)
        finally:
            done.put(0)

    with ThreadPoolExecutor(threads) as pool:
        try:
            futures = [pool.submit(run) for _ in range(threads)]
            working = threads
            while working:
                finished = done.get()
                working -= finished == 0
                if finished:
                    on_done(finished)
            for future in futures:
                future.result()
        finally:
            numbers.stop()


class _Numbers:
    """Numbers of candidates that nobody works on yet, for several threads."""

    def __init__(self, count: int) -> None:
        self._left = iter(range(count))
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        with self._lock:
            return next(self._left)

    def stop(self) -> None:
        with self._lock:
            self._left = iter(range(0))


class _Work:
    """What all threads share: the tapes, which are only read, and the figures, where each candidate has its own rows."""

    def __init__(
        self,
        settings: Settings,
        tapes: Tapes,
        candidates: Sequence[Sequence[Strategy]],
        weights: Sequence[float],
        windows: Sequence[Window],
        session_returns: bool,
    ) -> None:
        self.settings, self.weights, self.candidates = settings, weights, candidates
        self.per_symbol = tapes.per_symbol
        self._rules: dict[tuple[str, ...], Rules] = {}
        self.parts = tuple(tapes.parts(windows))
        accounts = _accounts(tapes.market, tapes.per_symbol)
        self.figures = np.empty((len(candidates), len(windows), accounts, len(Figure)))
        self.returns: list[FloatArray] = []
        if session_returns:
            for window in windows:
                sessions = len(np.unique(tapes.market.clock.session[window.first : window.end]))
                self.returns.append(np.empty((len(candidates), accounts, sessions)))

    def run(self, numbers: Iterator[int]) -> Iterator[int]:
        """Trade candidates; each is told when it is done."""
        desks = [self._desk(part) for part in self.parts]
        for number in numbers:
            for part, desk in zip(self.parts, desks, strict=True):
                self._trade(number, part, desk)
            yield number

    def _desk(self, part: _Part) -> tuple[Desk, Signals]:
        accounts, bars, symbols = part.lane.low.shape
        desk = new_desk(len(part.lane.clock.settles), 0, self.settings.sizing.volatility_window_sessions)
        weights = np.empty((accounts * symbols, len(self.weights), bars))
        return desk, Signals(
            weights,
            np.empty((accounts, bars + 1), dtype=np.int64),
            np.empty(accounts, dtype=np.bool_),
        )

    def _rules_of(self, strategies: Sequence[Strategy], market: Market) -> Rules:
        """Rules of a candidate: the same for all of these names, unless they trade pairs."""
        names = tuple(strategy.name for strategy in strategies)
        trades_pairs = any(strategy.kind.trades_pairs for strategy in strategies)
        if trades_pairs or names not in self._rules:
            if self.per_symbol:
                market = market.only(0)
            partners = partner_columns(strategies, market.symbols)
            rules = rules_of(self.settings, market, names, self.weights, partners)
            if trades_pairs:
                return rules
            self._rules[names] = rules
        return self._rules[names]

    def _trade(self, number: int, part: _Part, room: tuple[Desk, Signals]) -> None:
        desk, signals = room
        strategies = self.candidates[number]
        scan_into(strategies, part.market.signal_bars(), part.market.symbols, part.columns, signals.weights)
        list_lane_news(part.lane, signals)
        rules = self._rules_of(strategies, part.market)
        cash = int(self.settings.backtest.cash * MICRO)
        spans = np.array([(window.first, window.end) for _place, window in part.windows], dtype=np.int64)
        figures = np.empty((len(spans), *self.figures.shape[2:]))
        returns = np.empty((len(spans), 0, 0))
        if self.returns:
            longest = max(self.returns[place].shape[2] for place, _window in part.windows)
            returns = np.empty((len(spans), self.figures.shape[2], longest))
        run_lane(part.lane, signals, rules, cash, spans, desk, figures, returns)
        for row, (place, _window) in enumerate(part.windows):
            self.figures[number, place] = figures[row]
            if self.returns:
                kept = self.returns[place]
                kept[number] = returns[row, :, : kept.shape[2]]


class _Part(NamedTuple):
    """Windows that are traded on the same tapes, with their places among all windows."""

    market: Market
    signal_bars: FloatArray
    columns: Columns
    lane: Lane
    windows: tuple[tuple[int, Window], ...]
