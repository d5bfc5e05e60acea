"""Backstop's side of the research works, and the bare kernels: ``python -m tests.bench.research.ours WORK PRICES``.

Bars are put on the exchange's calendar before the clock starts, as the peers make their tables before; scanning signals,
trading and figures are timed. Everything that the engine models is switched on: shared cash, sizing, throttle, volatility
target, caps, participation, settlement, interest, commissions with their minimum, spread, slippage and impact.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from backtester.batch import Scores, Tapes, Window, score
from backtester.market import Market, make_clock
from backtester.run import run_backtest
from backtester.validation.bootstrap import Draw, simulate_paths
from core.config_schema import Settings
from data.bar_table import DAILY
from data.exchange_calendar import exchange_calendar
from strategy.base import Strategy
from strategy.registry import create
from tests.bench import bench_event_path
from tests.bench.research import kernels
from tests.bench.research.peers.measure import measure

FloatArray = npt.NDArray[np.float64]
FIVE_MINUTES = 300
SETTINGS = Settings.model_validate(
    {"caps": {"monthly_fill_budget": 100_000}, "execution": {"pretrade": {"max_order_notional": 1e9}}}
)
"""The defaults, but for two limits of live trading that would end a research run early."""
WILLIAMS = SETTINGS.model_copy(
    update={"sizing": SETTINGS.sizing.model_copy(update={"risk_per_trade": 0.02, "stop_atr_multiple": 10.0})}
)


@lru_cache
def five_minute_market(folder: Path) -> Market:
    """324,324 five-minute bars of one symbol on the sessions of New York from 2005 on."""
    bars = np.load(folder / "five_minute.npy")
    calendar = exchange_calendar("XNYS", date(2005, 1, 3), date(2022, 12, 30))
    step = FIVE_MINUTES * 1_000_000_000
    ends: list[int] = []
    for session in calendar.sessions(date(2005, 1, 3), date(2022, 6, 30)):
        ends += range(session.open_ns + step, session.close_ns + 1, step)
    return _market(bars, ends[: len(bars)], calendar, FIVE_MINUTES)


@lru_cache
def daily_market(folder: Path) -> Market:
    """8,300 daily bars of twenty symbols."""
    bars = np.load(folder / "daily.npy")
    calendar = exchange_calendar("XNYS", date(1990, 1, 2), date(2023, 12, 29))
    ends = [session.close_ns for session in calendar.sessions(date(1990, 1, 2), date(2023, 6, 30))]
    return _market(bars, ends[: len(bars)], calendar, DAILY)


def _market(bars: FloatArray, ends: list[int], calendar: Any, size_s: int) -> Market:
    end_ns = np.array(ends, dtype=np.int64)
    assert len(end_ns) == len(bars)
    sessions, clock = make_clock(end_ns, calendar, 1)
    symbols = tuple(f"S{number:02d}" for number in range(bars.shape[1]))
    return Market(
        symbols=symbols,
        size_s=size_s,
        end_ns=end_ns,
        bars=bars,
        sessions=sessions,
        clock=clock,
        sha256="",
        notes=(),
    )


def single_5min(folder: Path) -> dict[str, Any]:
    """Trade the Williams %R system over all bars once."""
    result = run_backtest(WILLIAMS, five_minute_market(folder), (create("williams_r", {}),), (1.0,))
    closes = result.session_closes()
    returns = np.diff(closes) / closes[:-1]
    return {
        "total_return": result.total_return,
        "sharpe": float(returns.mean() / returns.std() * np.sqrt(252)),
        "max_drawdown": result.max_drawdown,
        "fills": len(result.fill_table),
    }


def crosses(fasts: range, slows: range) -> list[list[Strategy]]:
    """Make a candidate of every pair of windows."""
    return [
        [create("momentum", {"fast_window": fast, "slow_window": slow})] for fast in fasts for slow in slows
    ]


def _summary(scores: Scores) -> dict[str, Any]:
    return {
        "cells": int(scores.total_return.size),
        "total_return": float(np.mean(scores.total_return)),
        "sharpe": float(np.nanmean(scores.sharpe)),
        "max_drawdown": float(np.mean(scores.max_drawdown)),
        "fills": float(scores.fills.sum()),
    }


def grid_daily(folder: Path) -> dict[str, Any]:
    """Score 1,000 pairs, each one account that trades all twenty symbols."""
    market = daily_market(folder)
    windows = [Window(first=0, end=len(market.end_ns))]
    return _summary(
        score(SETTINGS, market, crosses(range(5, 45), range(50, 291, 10)), [1.0], windows=windows)
    )


def grid_5min(folder: Path) -> dict[str, Any]:
    """Score 500 pairs over one symbol."""
    market = five_minute_market(folder)
    windows = [Window(first=0, end=len(market.end_ns))]
    return _summary(
        score(SETTINGS, market, crosses(range(10, 201, 10), range(250, 1451, 50)), [1.0], windows=windows)
    )


def walk_forward(folder: Path) -> dict[str, Any]:
    """Ten folds, train 1,500, test 600: the best Sharpe ratio of each symbol's own account, then traded in the test."""
    market = daily_market(folder)
    candidates = crosses(range(5, 45, 4), range(50, 291, 25))
    windows = [Window(first=fold * 600, end=fold * 600 + 1500) for fold in range(10)]
    tapes = Tapes(SETTINGS, market, per_symbol=True)
    trained = score(SETTINGS, tapes, candidates, [1.0], windows=windows, per_symbol=True)
    best = np.argmax(np.nan_to_num(trained.sharpe, nan=-np.inf), axis=0)
    outcome = []
    for fold, window in enumerate(windows):
        chosen = sorted(set(best[fold].tolist()))
        test = score(
            SETTINGS, tapes, [candidates[one] for one in chosen], [1.0],
            windows=[Window(first=window.end, end=window.end + 600)], per_symbol=True,
        )  # fmt: skip
        outcome += [
            test.total_return[chosen.index(one), 0, column] for column, one in enumerate(best[fold].tolist())
        ]
    return {"folds": len(windows), "pairs": len(candidates), "mean_test_return": float(np.mean(outcome))}


def _history(folder: Path) -> FloatArray:
    close = np.load(folder / "daily.npy")[-2521:, 0, 3]
    return np.asarray(close[1:] / close[:-1] - 1.0)


def monte_carlo(folder: Path) -> dict[str, Any]:
    """Draw 10,000 paths of 2,520 days, one day at a time as the peers do."""
    history = _history(folder)
    paths = simulate_paths(
        history, Draw(kind="circular", paths=10_000, horizon=len(history), block=1.0, seed=1)
    )
    return kernels.path_figures(paths.final - 1.0, paths.max_drawdown)


def event_path(folder: Path) -> dict[str, Any]:
    """Take every bar through the live components."""
    figures = bench_event_path.event_path(np.load(folder / "five_minute.npy"))
    return {**figures, "loading_s": 0.0}


def _kernel(name: str, work: Callable[..., Any], *arguments: Any) -> Callable[[Path], dict[str, Any]]:
    def run(folder: Path) -> dict[str, Any]:
        return dict(work(np.load(folder / f"{name}.npy", mmap_mode="r"), *arguments))

    return run


WORKS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "single_5min": single_5min,
    "grid_daily": grid_daily,
    "grid_5min": grid_5min,
    "walk_forward": walk_forward,
    "monte_carlo": monte_carlo,
    "event_path": event_path,
    "single_5min_kernel": _kernel("five_minute", kernels.single),
    "grid_daily_kernel": _kernel("daily", kernels.grid, range(5, 45), range(50, 291, 10)),
    "grid_5min_kernel": _kernel("five_minute", kernels.grid, range(10, 201, 10), range(250, 1451, 50)),
    "walk_forward_kernel": _kernel("daily", kernels.walk_forward),
    "monte_carlo_kernel": lambda folder: kernels.monte_carlo(_history(folder)),
}

if __name__ == "__main__":
    measure(WORKS)
