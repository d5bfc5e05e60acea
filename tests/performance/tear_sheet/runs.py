"""Runs of the real backtester that the pages of the tests show: daily and 5-minute bars, no fill, a single day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from backtester.market import Market, align
from backtester.result import BacktestResult
from backtester.run import run_backtest
from backtester.tear_sheet_input import report_data
from core.config_loader import load_settings
from core.config_schema import Settings
from data.bar_table import BarTable
from data.exchange_calendar import exchange_calendar
from data.packaged import load_packaged, packaged_calendar
from performance.tear_sheet.report_data import ReportData
from strategy.registry import create

ROOT = Path(__file__).resolve().parents[3]
FIVE_MINUTES = 300
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run and what its tear sheet is made of."""

    settings: Settings
    market: Market
    result: BacktestResult
    data: ReportData


def trade(
    market: Market, strategy: str, *, first_bar: int = 0, changes: Mapping[str, str] | None = None
) -> Run:
    """Run one strategy with the project's configuration and ``changes`` of it."""
    environment = {
        "BACKSTOP__" + key.upper().replace(".", "__"): value for key, value in (changes or {}).items()
    }
    settings = load_settings(ROOT / "config.yaml", environment).settings
    result = run_backtest(settings, market, [create(strategy, {})], [1.0], first_bar=first_bar)
    facts = {"code": "0123456789ab", "data (SHA-256)": result.data_sha256}
    command = f"python run_backtest.py --strategy {strategy}"
    data = report_data(result, market, settings, run=facts, command=command)
    return Run(settings=settings, market=market, result=result, data=data)


def packaged(until: date | None = None) -> Market:
    """Real daily prices."""
    return align(load_packaged(), packaged_calendar(), settlement_days=1, until=until)


def five_minute_market(symbols: tuple[str, ...], first: date, last: date, seed: int = 7) -> Market:
    """Random walks of 5-minute bars on New York's calendar."""
    calendar = exchange_calendar("XNYS", first, date(last.year + 1, 1, 31))
    ends = np.array(
        [
            end
            for one in calendar.sessions(first, last)
            for end in range(one.open_ns + FIVE_MINUTES * NS_PER_S, one.close_ns + 1, FIVE_MINUTES * NS_PER_S)
        ],
        dtype=np.int64,
    )
    random = np.random.default_rng(seed)
    tables = {}
    for symbol in symbols:
        close = 50.0 * np.exp(np.cumsum(random.normal(1e-6, 0.0012, len(ends))))
        opens = np.concatenate([[50.0], close[:-1]])
        wick = 1.0 + np.abs(random.normal(0.0, 0.0006, (2, len(ends))))
        tables[symbol] = BarTable(
            symbol=symbol,
            size_s=FIVE_MINUTES,
            end_ns=ends,
            open=opens,
            high=np.maximum(opens, close) * wick[0],
            low=np.minimum(opens, close) / wick[1],
            close=close,
            volume=random.uniform(1e4, 1e5, len(ends)).round(),
        )
    return align(tables, calendar, settlement_days=1)
