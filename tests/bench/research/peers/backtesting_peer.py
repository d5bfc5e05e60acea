"""backtesting.py: the Williams %R system on five-minute bars, and one pair of averages for the grids' cost per cell."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy
from measure import measure

CASH = 1_000_000


@lru_cache
def _frame(folder: Path, name: str, symbol: int, frequency: str) -> pd.DataFrame:
    bars = np.load(folder / f"{name}.npy")[:, symbol]
    index = pd.date_range("1990-01-01", periods=len(bars), freq=frequency)
    return pd.DataFrame(bars, columns=["Open", "High", "Low", "Close", "Volume"], index=index)


def _mean(values: Any, window: int) -> Any:
    return pd.Series(values).rolling(window).mean()


def _percent_r(high: Any, low: Any, close: Any, window: int) -> Any:
    top, bottom = pd.Series(high).rolling(window).max(), pd.Series(low).rolling(window).min()
    return (pd.Series(close) - top) / (top - bottom) * 100.0


def _atr(high: Any, low: Any, close: Any, window: int) -> Any:
    before = pd.Series(close).shift()
    ranges = pd.concat(
        [pd.Series(high - low), (pd.Series(high) - before).abs(), (pd.Series(low) - before).abs()], axis=1
    )
    return ranges.max(axis=1).ewm(alpha=1 / window, adjust=False).mean()


class _WilliamsR(Strategy):
    def init(self) -> None:
        data = self.data
        self.trend = self.I(_mean, data.Close, 200)
        self.percent_r = self.I(_percent_r, data.High, data.Low, data.Close, 10)
        self.atr = self.I(_atr, data.High, data.Low, data.Close, 14)

    def next(self) -> None:
        close = self.data.Close[-1]
        stop = close - 10.0 * self.atr[-1]
        if self.position:
            trade = self.trades[0]
            trade.sl = max(trade.sl or -np.inf, stop)
            if self.percent_r[-1] > -20.0 and close < self.trend[-1]:
                self.position.close()
        elif self.percent_r[-1] < -80.0 and close > self.trend[-1]:
            shares = int(min(0.02 * self.equity / (10.0 * self.atr[-1]), 0.95 * self.equity / close))
            self.buy(size=shares, sl=stop)


class _Cross(Strategy):
    fast, slow = 10, 50

    def init(self) -> None:
        self.quick = self.I(_mean, self.data.Close, self.fast)
        self.calm = self.I(_mean, self.data.Close, self.slow)

    def next(self) -> None:
        above = self.quick[-1] > self.calm[-1]
        if above and not self.position:
            self.buy(size=0.95)
        elif self.position and not above:
            self.position.close()


def _run(bars: pd.DataFrame, strategy: type[Strategy]) -> dict[str, Any]:
    commission = lambda quantity, _price: max(1.0, 0.0035 * abs(quantity))  # noqa: E731
    outcome = Backtest(bars, strategy, cash=CASH, commission=commission, finalize_trades=True).run()
    return {
        "total_return": float(outcome["Return [%]"]) / 100,
        "sharpe": float(outcome["Sharpe Ratio"]),
        "max_drawdown": float(outcome["Max. Drawdown [%]"]) / 100,
        "fills": 2 * int(outcome["# Trades"]),
    }


def single_5min(folder: Path) -> dict[str, Any]:
    return _run(_frame(folder, "five_minute", 0, "5min"), _WilliamsR)


def cell_daily(folder: Path) -> dict[str, Any]:
    """Run one of the 20,000 cells of grid_daily."""
    return _run(_frame(folder, "daily", 0, "D"), _Cross)


def cell_5min(folder: Path) -> dict[str, Any]:
    """Run one of the 500 cells of grid_5min."""
    return _run(_frame(folder, "five_minute", 0, "5min"), _Cross)


if __name__ == "__main__":
    measure(
        {
            "single_5min": single_5min,
            "cell_daily": cell_daily,
            "cell_5min": cell_5min,
            "event_path": cell_5min,
        }
    )
