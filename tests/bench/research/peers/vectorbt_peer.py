"""vectorbt: indicators, simulation and the three figures (total return, annual Sharpe ratio, maximum drawdown).

``single_5min_near`` is its fast path (signals, trailing stop as a fraction, percentage fee plus a fixed one);
``single_5min_exact`` follows the rules by an order callback: entry at the next open, size by risk, commission with a minimum.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import vectorbt as vbt
from measure import measure
from numba import njit
from vectorbt.portfolio import nb

CASH = 1_000_000.0
TILE = 10
"""Pairs of averages that are simulated at once; all of them together run out of memory."""


@lru_cache
def _five_minute(folder: Path) -> dict[str, pd.Series]:
    bars = np.load(folder / "five_minute.npy")[:, 0]
    index = pd.date_range("2005-01-03", periods=len(bars), freq="5min")
    return {
        name: pd.Series(bars[:, place], index=index)
        for place, name in enumerate(("open", "high", "low", "close"))
    }


@lru_cache
def _daily(folder: Path) -> pd.DataFrame:
    bars = np.load(folder / "daily.npy")
    return pd.DataFrame(bars[:, :, 3], index=pd.date_range("1990-01-01", periods=len(bars), freq="D"))


def _figures(portfolio: Any) -> dict[str, Any]:
    return {
        "total_return": float(np.mean(portfolio.total_return())),
        "sharpe": float(np.mean(portfolio.sharpe_ratio())),
        "max_drawdown": float(np.mean(portfolio.max_drawdown())),
        "fills": len(portfolio.orders.values),
    }


def single_5min_near(folder: Path) -> dict[str, Any]:
    bars = _five_minute(folder)
    close = bars["close"]
    trend = vbt.MA.run(close, 200).ma
    percent_r = vbt.STOCH.run(bars["high"], bars["low"], close, k_window=10).percent_k - 100.0
    atr = vbt.ATR.run(bars["high"], bars["low"], close, window=14).atr
    entries = ((percent_r < -80.0) & (close > trend)).vbt.fshift(1, fill_value=False)
    exits = ((percent_r > -20.0) & (close < trend)).vbt.fshift(1, fill_value=False)
    portfolio = vbt.Portfolio.from_signals(
        close, entries, exits, open=bars["open"], high=bars["high"], low=bars["low"], price=bars["open"],
        size=0.9, size_type="percent", sl_stop=(10.0 * atr / close).shift(1), sl_trail=True,
        fees=0.0001, fixed_fees=1.0, init_cash=CASH, freq="5min",
    )  # fmt: skip
    return _figures(portfolio)


@njit
def _order(c, begin, low, close, trend, percent_r, atr, stop):
    bar = c.i
    if bar == 0:
        return nb.order_nothing_nb()
    if c.position_now > 0.0:
        price = np.nan
        if begin[bar] <= stop[0] or (percent_r[bar - 1] > -20.0 and close[bar - 1] < trend[bar - 1]):
            price = begin[bar]
        elif low[bar] <= stop[0]:
            price = stop[0]
        if not np.isnan(price):
            return nb.order_nb(-c.position_now, price, fixed_fees=max(1.0, 0.0035 * c.position_now))
        stop[0] = max(stop[0], close[bar] - 10.0 * atr[bar])
        return nb.order_nothing_nb()
    if percent_r[bar - 1] < -80.0 and close[bar - 1] > trend[bar - 1] and atr[bar - 1] > 0.0:
        wanted = min(0.02 * c.value_now / (10.0 * atr[bar - 1]), 0.95 * c.cash_now / begin[bar])
        stop[0] = begin[bar] - 10.0 * atr[bar - 1]
        return nb.order_nb(np.floor(wanted), begin[bar], fixed_fees=max(1.0, 0.0035 * wanted))
    return nb.order_nothing_nb()


def single_5min_exact(folder: Path) -> dict[str, Any]:
    bars = _five_minute(folder)
    close = bars["close"]
    trend = vbt.MA.run(close, 200).ma
    percent_r = vbt.STOCH.run(bars["high"], bars["low"], close, k_window=10).percent_k - 100.0
    atr = vbt.ATR.run(bars["high"], bars["low"], close, window=14).atr
    arrays = [series.to_numpy() for series in (bars["open"], bars["low"], close, trend, percent_r, atr)]
    portfolio = vbt.Portfolio.from_order_func(
        close, _order, *arrays, np.zeros(1), init_cash=CASH, freq="5min", max_orders=len(close) // 2
    )
    return _figures(portfolio)


def _crosses(close: pd.DataFrame, pairs: list[tuple[int, int]]) -> Any:
    """Portfolio of every pair in every column."""
    fast = vbt.MA.run(close, [pair[0] for pair in pairs], short_name="fast")
    slow = vbt.MA.run(close, [pair[1] for pair in pairs], short_name="slow")
    above = fast.ma.to_numpy() > slow.ma.to_numpy()
    tiled = pd.DataFrame(np.tile(close.to_numpy(), (1, len(pairs))), index=close.index)
    return vbt.Portfolio.from_signals(tiled, above, ~above, fees=0.0005, init_cash=CASH, freq="1D")


def _grid(close: pd.DataFrame, pairs: list[tuple[int, int]], tile: int) -> dict[str, Any]:
    returns, sharpes, drawdowns = [], [], []
    for start in range(0, len(pairs), tile):
        portfolio = _crosses(close, pairs[start : start + tile])
        returns.append(portfolio.total_return().to_numpy())
        sharpes.append(portfolio.sharpe_ratio().to_numpy())
        drawdowns.append(portfolio.max_drawdown().to_numpy())
    return {
        "cells": int(np.concatenate(returns).size),
        "total_return": float(np.mean(np.concatenate(returns))),
        "sharpe": float(np.nanmean(np.concatenate(sharpes))),
        "max_drawdown": float(np.mean(np.concatenate(drawdowns))),
    }


def grid_daily(folder: Path) -> dict[str, Any]:
    pairs = [(fast, slow) for fast in range(5, 45) for slow in range(50, 291, 10)]
    return _grid(_daily(folder), pairs, TILE)


def grid_5min(folder: Path) -> dict[str, Any]:
    pairs = [(fast, slow) for fast in range(10, 201, 10) for slow in range(250, 1451, 50)]
    return _grid(_five_minute(folder)["close"].to_frame(), pairs, TILE // 2)


def walk_forward(folder: Path) -> dict[str, Any]:
    """Ten folds, train 1,500, test 600: best Sharpe ratio of each symbol in training, traded in the test."""
    close = _daily(folder)
    pairs = [(fast, slow) for fast in range(5, 45, 4) for slow in range(50, 291, 25)]
    symbols = close.shape[1]
    outcome = []
    for fold in range(10):
        train = close.iloc[fold * 600 : fold * 600 + 1500]
        test = close.iloc[fold * 600 + 1500 : fold * 600 + 2100]
        sharpe = _crosses(train, pairs).sharpe_ratio().to_numpy().reshape(len(pairs), symbols)
        best = np.nanargmax(np.where(np.isfinite(sharpe), sharpe, -np.inf), axis=0)
        chosen = sorted(set(best.tolist()))
        returns = (
            _crosses(test, [pairs[one] for one in chosen]).total_return().to_numpy().reshape(-1, symbols)
        )
        outcome += [returns[chosen.index(one), column] for column, one in enumerate(best.tolist())]
    return {"folds": 10, "pairs": len(pairs), "mean_test_return": float(np.mean(outcome))}


if __name__ == "__main__":
    measure(
        {
            "single_5min_near": single_5min_near,
            "single_5min_exact": single_5min_exact,
            "grid_daily": grid_daily,
            "grid_5min": grid_5min,
            "walk_forward": walk_forward,
        }
    )
