"""Walk-forward: parameters are chosen on each training window and traded on the test window behind it, on one curve.

The out-of-sample curve is traded by `backtester.run.trade_signals`, window after window, each with the capital that the one before
it ended with. What else goes over from window to window is ``fold_end``:

``restart``
    Nothing. The last two signals of a window are 0, so that positions are closed by orders, with their costs, and the next window
    begins in cash with an account of its own: its drawdown throttle counts from its own peak, as that of every training window did.
``close``
    Positions are closed likewise, but one account trades on: peak, throttle, volatility target and unsettled cash.
``carry``
    One account trades on with its positions, for the new parameters to keep or to close.

With one account, a throttle that has stopped it for good leaves nothing to judge in later windows; live, a human would decide then.
Where no candidate traded in training, or test windows don't touch, the signals are 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from backtester.batch import Scores, Window, score
from backtester.book import FillColumn
from backtester.market import Market
from backtester.money import MICRO
from backtester.result import BacktestResult
from backtester.run import trade_signals
from backtester.scan import scan_signals
from backtester.validation.figures import Figures, figures_of, returns_of
from backtester.validation.nested import Rule, inner_windows, pick_rule
from backtester.validation.selection import NO_CHOICE, Grid, choose, merit, neighbours
from backtester.validation.windows import Fold, Plan, make_folds
from core.config_schema import Settings
from portfolio.pairing import partner_columns
from strategy.base import Number

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
FOLD_ENDS = ("restart", "close", "carry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How parameters are chosen and traded.

    Attributes
    ----------
    rule
        Metric, and whether a candidate is judged alone or with its neighbours.
    per_symbol
        Choose for every symbol's own account, instead of once for one account that trades all.
    fold_end
        One of `FOLD_ENDS`.
    inner_folds
        0, or how many folds inside each training window choose the rule itself (nested).
    audit
        Score all candidates on the test windows as well, to tell what place the chosen one took there.
    """

    rule: Rule
    per_symbol: bool = False
    fold_end: str = "restart"
    inner_folds: int = 0
    audit: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen for one account in one fold, and what came of it.

    Attributes
    ----------
    fold, account
        Numbers from 0.
    rule
        By which it was chosen.
    candidate
        Its number, or `NO_CHOICE`.
    values
        Its parameters; empty without a choice.
    in_sample, out_of_sample
        ``in_sample`` are its figures in training (an account of its own), ``out_of_sample`` those of the stitched account.
    fills
        Out of sample.
    rank
        Share of all candidates that it beat on the test window by the same metric, in [0, 1]; NaN when that isn't known.
    """

    fold: int
    account: int
    rule: Rule
    candidate: int
    values: dict[str, Number]
    in_sample: dict[str, float]
    out_of_sample: Figures
    fills: int
    rank: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WalkForward:
    """A walk-forward's folds, choices, and its out-of-sample curve.

    Attributes
    ----------
    folds
        Windows, oldest first.
    choices
        For each fold and account.
    results
        The stitched runs, one an account.
    dates, equity, opening
        Sessions out of sample, the value of all accounts at their ends in dollars, and the cash that they began with.
    returns
        Of each session, shape (sessions,).
    """

    folds: tuple[Fold, ...]
    choices: tuple[Choice, ...]
    results: tuple[BacktestResult, ...]
    dates: tuple[date, ...]
    equity: FloatArray
    opening: float
    returns: FloatArray

    @property
    def figures(self) -> Figures:
        """Of the whole out-of-sample curve."""
        return figures_of(self.returns)


def walk_forward(
    settings: Settings,
    market: Market,
    grid: Grid,
    plan: Plan,
    method: Method,
    *,
    weight: float = 1.0,
    first_bar: int = 0,
    workers: int | None = None,
    on_done: Callable[[int], None] = lambda _candidates: None,
) -> WalkForward:
    """Choose on each training window, trade the test windows in one account.

    Parameters
    ----------
    settings, market, weight
        As for `backtester.run.run_backtest`.
    grid
        Candidates.
    plan, method
        Windows; how to choose.
    first_bar
        First bar of the first training window.
    workers, on_done
        As for `backtester.batch.score`.

    Raises
    ------
    ConfigError
        As `make_folds` and `run_backtest`.
    """
    folds = make_folds(market, plan, first_bar=first_bar)
    layout = _Layout.of(market, folds, plan, method)
    scores = score(
        settings,
        market,
        [[one] for one in grid.strategies],
        [weight],
        windows=layout.windows,
        per_symbol=method.per_symbol,
        workers=workers,
        on_done=on_done,
    )
    near = neighbours(grid.points)
    rules, chosen = _choose_all(scores, layout, near, method)
    columns = [[column] for column in range(len(market.symbols))] if method.per_symbol else [None]
    results = tuple(
        _stitched(settings, market, grid, folds, chosen[:, account], method, weight, column)
        for account, column in enumerate(columns)
    )
    choices = tuple(
        _choice(scores, layout, grid, rules[number][account], number, account, int(chosen[number, account]), result, fold)
        for number, fold in enumerate(folds)
        for account, result in enumerate(results)
    )  # fmt: skip
    equity = np.sum([result.session_closes() for result in results], axis=0)
    opening = float(settings.backtest.cash) * len(results)
    return WalkForward(
        folds=tuple(folds),
        choices=choices,
        results=results,
        dates=_dates(results[0]),
        equity=equity,
        opening=opening,
        returns=returns_of(np.concatenate([[opening], equity])),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """The windows that are scored: training, inner folds of each, and tests, one after the other."""

    windows: list[Window]
    folds: int
    inner: list[list[tuple[int, int]]]
    tests: list[int] | None

    @classmethod
    def of(cls, market: Market, folds: Sequence[Fold], plan: Plan, method: Method) -> _Layout:
        windows = [fold.train for fold in folds]
        inner: list[list[tuple[int, int]]] = []
        for fold in folds if method.inner_folds else ():
            places = []
            for train, test in inner_windows(market, fold, plan, method.inner_folds):
                places.append((len(windows), len(windows) + 1))
                windows += [train, test]
            inner.append(places)
        tests = None
        if method.audit:
            tests = [len(windows) + number for number in range(len(folds))]
            windows += [fold.test for fold in folds]
        return cls(windows=windows, folds=len(folds), inner=inner, tests=tests)


def _choose_all(
    scores: Scores, layout: _Layout, near: Sequence[IntArray], method: Method
) -> tuple[list[list[Rule]], IntArray]:
    """Rules by fold and account, and chosen candidates of shape (folds, accounts)."""
    accounts = scores.sharpe.shape[2]
    rules = [[method.rule] * accounts for _ in range(layout.folds)]
    for number, places in enumerate(layout.inner):
        rules[number] = pick_rule(scores, places, near, default=method.rule)
    chosen = np.empty((layout.folds, accounts), dtype=np.int64)
    for rule in {one for row in rules for one in row}:
        values = merit(scores, rule.metric)[:, : layout.folds]
        found = choose(values, near if rule.plateau else None)
        mask = np.array([[one == rule for one in row] for row in rules])
        chosen[mask] = found[mask]
    return rules, chosen


def _stitched(
    settings: Settings,
    market: Market,
    grid: Grid,
    folds: Sequence[Fold],
    chosen: IntArray,
    method: Method,
    weight: float,
    columns: list[int] | None,
) -> BacktestResult:
    """All test windows on one curve, with the parameters of each."""
    end = folds[-1].test.end
    cut = (market if columns is None else market.only(columns[0])).head(end)
    signals = np.zeros((end, 1, len(cut.symbols)))
    bars = cut.signal_bars()
    scans: dict[int, FloatArray] = {}
    for candidate, last in _last_uses(folds, chosen).items():
        scans[candidate] = scan_signals([grid.strategies[candidate]], bars[:last], cut.symbols)
    for fold, candidate in zip(folds, chosen.tolist(), strict=True):
        window = slice(fold.test.first, fold.test.end)
        if candidate != NO_CHOICE:
            signals[window] = scans[candidate][window]
            if method.fold_end != "carry":
                signals[max(fold.test.end - 2, fold.test.first) : fold.test.end] = 0.0
    partners = partner_columns(grid.strategies[:1], cut.symbols)

    def trade(one: Settings, first: int, last: int) -> BacktestResult:
        return trade_signals(
            one,
            cut.head(last),
            [grid.kind.name],
            signals[:last],
            [weight],
            first_bar=first,
            partners=partners,
        )

    if method.fold_end == "restart":
        return _restarted(settings, trade, folds, end)
    return trade(settings, folds[0].test.first, end)


def _restarted(
    settings: Settings,
    trade: Callable[[Settings, int, int], BacktestResult],
    folds: Sequence[Fold],
    end: int,
) -> BacktestResult:
    """One account after the other, each with what the one before it was worth (a cent, if that is nothing)."""
    ends = [*(fold.test.first for fold in folds[1:]), end]
    cash, parts = settings.backtest.cash, []
    for fold, last in zip(folds, ends, strict=True):
        backtest = settings.backtest.model_copy(update={"cash": max(cash, Decimal("0.01"))})
        part = trade(settings.model_copy(update={"backtest": backtest}), fold.test.first, last)
        cash = part.final_nlv
        parts.append(part)
    return _joined(parts)


def _joined(parts: Sequence[BacktestResult]) -> BacktestResult:
    """Put results that follow each other without a gap on one curve."""
    first, last = parts[0], parts[-1]
    offsets = np.cumsum([0, *(len(part.sessions) for part in parts[:-1])]).tolist()

    def joined(name: str) -> IntArray:
        return np.concatenate([getattr(part, name) for part in parts])

    opening, values = int(first.opening_cash * MICRO), joined("nlv_micros")
    peaks = np.maximum.accumulate(np.concatenate([[opening], values]))[1:]
    return replace(
        last,
        opening_cash=first.opening_cash,
        sessions=tuple(day for part in parts for day in part.sessions),
        session_of=np.concatenate(
            [part.session_of + offset for part, offset in zip(parts, offsets, strict=True)]
        ),
        end_ns=joined("end_ns"),
        nlv_micros=values,
        cash_micros=joined("cash_micros"),
        gross_micros=joined("gross_micros"),
        max_drawdown=min(float((1.0 - values / peaks).max(initial=0.0)), 1.0),
        fill_table=joined("fill_table"),
        denial_table=joined("denial_table"),
        flow_table=joined("flow_table"),
    )


def _last_uses(folds: Sequence[Fold], chosen: IntArray) -> dict[int, int]:
    """Bars up to which each chosen candidate is needed."""
    return {
        candidate: fold.test.end
        for fold, candidate in zip(folds, chosen.tolist(), strict=True)
        if candidate != NO_CHOICE
    }


def _choice(
    scores: Scores,
    layout: _Layout,
    grid: Grid,
    rule: Rule,
    number: int,
    account: int,
    candidate: int,
    result: BacktestResult,
    fold: Fold,
) -> Choice:
    cell = (candidate, number, account)
    names = ("sharpe", "cagr", "total_return", "max_drawdown", "fills")
    nothing = candidate == NO_CHOICE
    in_sample = {name: float("nan") if nothing else float(getattr(scores, name)[cell]) for name in names}
    bars = result.fill_table[:, FillColumn.BAR]
    fills = int(((bars >= fold.test.first) & (bars < fold.test.end)).sum())
    rank = float("nan")
    if layout.tests is not None and not nothing:
        rank = _rank(merit(scores, rule.metric)[:, layout.tests[number], account], candidate)
    return Choice(
        fold=number,
        account=account,
        rule=rule,
        candidate=candidate,
        values={} if nothing else dict(grid.values[candidate]),
        in_sample=in_sample,
        out_of_sample=figures_of(session_returns_in(result, fold)),
        fills=fills,
        rank=rank,
    )


def _rank(values: FloatArray, candidate: int) -> float:
    """Share of the other candidates that did worse; those that traded nothing have no value and don't count."""
    own = values[candidate]
    others = np.delete(values, candidate)
    others = others[~np.isnan(others)]
    if np.isnan(own) or not len(others):
        return float("nan")
    return float((others < own).mean() + (others == own).mean() / 2)


def session_returns_in(result: BacktestResult, fold: Fold) -> FloatArray:
    """Find the returns of a stitched account's sessions that lie in a fold's test window."""
    closes = np.concatenate([[float(result.opening_cash)], result.session_closes()])
    last = np.flatnonzero(np.diff(result.session_of, append=-1))
    bars = last + (len(result.market_end_ns) - len(result.end_ns))
    inside = (bars >= fold.test.first) & (bars < fold.test.end)
    return returns_of(closes)[inside]


def _dates(result: BacktestResult) -> tuple[date, ...]:
    numbers = np.unique(result.session_of)
    return tuple(result.sessions[number] for number in numbers.tolist())
