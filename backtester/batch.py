"""The fast lane: many parameter sets over many windows of one market, figures only.

    scores = score(settings, market, candidates, weights, windows=[Window(first=0, end=1500)])
    scores.sharpe[candidate, window, account]

Every figure equals what `backtester.run.run_backtest` finds for the same strategies on the same bars; curves, fills and
denials are not kept, so memory doesn't grow with the number of candidates beyond a row of figures each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from backtester.book import FillColumn
from backtester.market import Market
from backtester.money import MICRO
from backtester.report import annual_measures
from backtester.result import BacktestResult
from backtester.run import run_backtest
from core.config_schema import Settings
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


def score(
    settings: Settings,
    market: Market,
    candidates: Sequence[Sequence[Strategy]],
    weights: Sequence[float],
    *,
    windows: Sequence[Window],
    per_symbol: bool = False,
    session_returns: bool = False,
    workers: int | None = None,  # noqa: ARG001 (the threads come next)
    on_done: Callable[[int], None] = lambda _candidates: None,
) -> Scores:
    """Trade every candidate in every window, each in a new account.

    Parameters
    ----------
    settings
        As for `run_backtest`.
    market
        Aligned bars.
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
    markets = [market.only(column) for column in range(len(market.symbols))] if per_symbol else [market]
    shape = (len(candidates), len(windows), len(markets))
    table = {name: np.full(shape, np.nan) for name in FIGURES}
    returns: list[list[list[FloatArray]]] = [[[] for _ in candidates] for _ in windows]
    for number, strategies in enumerate(candidates):
        for place, window in enumerate(windows):
            for account, one in enumerate(markets):
                cut = one.head(window.end)
                result = run_backtest(settings, cut, strategies, weights, first_bar=window.first)
                for name, value in _figures(result).items():
                    table[name][number, place, account] = value
                if session_returns:
                    returns[place][number].append(_session_returns(result))
        on_done(1)
    kept = tuple(np.array(window) for window in returns) if session_returns else ()
    return Scores(session_returns=kept, **table)


def _figures(result: BacktestResult) -> dict[str, float]:
    annual = {name: np.nan if value is None else value for name, value in annual_measures(result).items()}
    fills = result.fill_table
    turnover = np.abs(fills[:, FillColumn.QUANTITY]) * fills[:, FillColumn.PRICE]
    exposure = result.gross_micros / np.maximum(result.nlv_micros, 1)
    return {
        "total_return": result.total_return,
        **annual,
        "max_drawdown": result.max_drawdown,
        "mean_exposure": float(exposure.mean()),
        "turnover": float(turnover.sum() / MICRO),
        "commission": float(result.commission),
        "fills": float(len(fills)),
    }


def _session_returns(result: BacktestResult) -> FloatArray:
    values = np.concatenate([[float(result.opening_cash)], result.session_closes()])
    return np.asarray(values[1:] / values[:-1] - 1.0, dtype=np.float64)
