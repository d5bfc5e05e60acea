"""A backtest on made-up prices, written to a file: run it with and without the compiler, and compare."""

from __future__ import annotations

import sys

import numpy as np

from backtester.result import BacktestResult
from backtester.run import run_backtest
from core.config_schema import Settings
from strategy.registry import create
from tests.backtester.cases import make_market, walk


def backtest(bars: int) -> BacktestResult:
    """Three symbols with holes, gaps and thin volume; both strategies, both sides, everything switched on."""
    columns = {
        symbol: walk(number, bars, decimals=2, holes=0.05, gaps=0.2, volume=volume)
        for number, (symbol, volume) in enumerate((("AAA", 20_000), ("BBB", 500_000), ("CCC", 5_000_000)))
    }
    settings = Settings.model_validate(
        {
            "sizing": {"allow_short": True, "atr_window": 5, "volatility_window_sessions": 20},
            "caps": {"max_participation": 1.0},
        }
    )
    strategies = (
        create("momentum", {"fast_window": 2, "slow_window": 6}),
        create("mean_reversion", {"window": 4, "oversold": 40, "overbought": 60}),
    )
    return run_backtest(settings, make_market(columns), strategies, (0.5, 0.5))


def tables(result: BacktestResult) -> dict[str, np.ndarray]:
    """Everything that must be equal."""
    return {
        "fills": result.fill_table,
        "denials": result.denial_table,
        "nlv": result.nlv_micros,
        "cash": result.cash_micros,
        "gross": result.gross_micros,
    }


if __name__ == "__main__":
    with open(sys.argv[2], "wb") as file:  # noqa: PTH123
        np.savez(file, **tables(backtest(int(sys.argv[1]))))  # type: ignore[arg-type]
