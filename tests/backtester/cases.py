"""Markets made up for tests, and the two accounts that trade them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np

from backtester.book import FillColumn
from backtester.market import Market, align
from backtester.result import BacktestResult
from backtester.run import run_backtest
from core.config_schema import Settings
from core.reasons import Reason
from data.bar_table import DAILY, BarTable
from data.corporate_actions import ActionKind, CorporateAction
from data.exchange_calendar import ExchangeCalendar, exchange_calendar
from strategy.base import Strategy
from tests.backtester.reference import Reference

NS_PER_S = 1_000_000_000
KINDS = {"ENTRY": 1, "EXIT": 2, "STOP": 3}


def calendar(first: date = date(2012, 1, 3)) -> ExchangeCalendar:
    return exchange_calendar("XNYS", first, date(2013, 12, 31))


def make_market(
    columns: dict[str, np.ndarray],
    *,
    size_s: int = DAILY,
    settlement_days: int = 1,
    start: date = date(2012, 9, 4),
    first: date = date(2012, 1, 3),
) -> Market:
    """Market of arrays of shape (bars, 5); a row of NaN is a missing bar. The calendar begins on ``first``."""
    days = calendar(first)
    bars = len(next(iter(columns.values())))
    ends: list[int] = []
    for session in days.sessions(start, days.last_date):
        if size_s == DAILY:
            ends.append(session.close_ns)
        else:
            ends += range(session.open_ns + size_s * NS_PER_S, session.close_ns + 1, size_s * NS_PER_S)
        if len(ends) >= bars:
            break
    end_ns = np.array(ends[:bars], dtype=np.int64)
    tables = {}
    for symbol, rows in columns.items():
        kept = ~np.isnan(rows[:, 3])
        tables[symbol] = BarTable(
            symbol=symbol,
            size_s=size_s,
            end_ns=end_ns[kept],
            open=rows[kept, 0],
            high=rows[kept, 1],
            low=rows[kept, 2],
            close=rows[kept, 3],
            volume=rows[kept, 4],
        )
    return align(tables, days, settlement_days=settlement_days)


def with_splits(smooth: Market, splits: Mapping[int, float]) -> Market:
    """Raw prices, and the splits on those bars of every symbol, that make the same adjusted prices."""
    bars = smooth.bars.copy()
    for bar, ratio in splits.items():
        bars[:bar, :, :4] *= ratio
        bars[:bar, :, 4] /= ratio
    actions = tuple(
        CorporateAction(
            symbol=symbol,
            day=smooth.sessions[int(smooth.clock.session[bar])].date,
            kind=ActionKind.SPLIT,
            value=ratio,
        )
        for symbol in smooth.symbols
        for bar, ratio in splits.items()
    )
    return replace(smooth, bars=bars, actions=actions, sha256="raw")


def quiet_bars(result: BacktestResult, step: int = 10) -> list[int]:
    """Bars that are ``step`` apart, but for those with fills: a split there ends no order."""
    busy = set(result.fill_table[:, FillColumn.BAR].tolist())
    return [bar for bar in range(step, len(result.market_end_ns), step) if bar not in busy]


def run_both(
    settings: Settings,
    market: Market,
    strategies: tuple[Strategy, ...],
    weights: tuple[float, ...],
    first_bar: int = 0,
) -> tuple[BacktestResult, Reference]:
    result = run_backtest(settings, market, strategies, weights, first_bar=first_bar)
    reference = Reference(
        settings=settings,
        strategies=strategies,
        weights=weights,
        symbols=market.symbols,
        end_ns=market.end_ns,
        bars=market.bars,
        calendar=calendar(),
        daily=market.is_daily,
        first=first_bar,
    ).run()
    return result, reference


def fills_of(result: BacktestResult) -> list[tuple[object, ...]]:
    ends = {int(end): number for number, end in enumerate(result.market_end_ns)}
    return [
        (
            ends[one.bar_end_ns],
            one.strategy,
            one.symbol,
            one.side.sign * one.quantity,
            one.price,
            one.commission,
            str(one.purpose).upper(),
            Reason[one.reason.upper()],
            ends[one.decided_ns],
        )
        for one in result.fills()
    ]


def denials_of(result: BacktestResult) -> list[tuple[object, ...]]:
    ends = {int(end): number for number, end in enumerate(result.market_end_ns)}
    return [
        (ends[one.bar_end_ns], one.strategy, one.symbol, one.reason, one.quantity) for one in result.denials()
    ]


def assert_same(result: BacktestResult, reference: Reference) -> None:
    assert fills_of(result) == reference.fills
    assert denials_of(result) == reference.denials
    assert [int(value * 1_000_000) for value in reference.nlv] == result.nlv_micros.tolist()
    assert [int(value * 1_000_000) for value in reference.cash] == result.cash_micros.tolist()


def walk(seed: int, bars: int, *, decimals: int, holes: float, gaps: float, volume: int) -> np.ndarray:
    """A random path with gaps at the open, bars of no range, bars that are missing and bars without volume."""
    rng = np.random.default_rng(seed)
    price = rng.uniform(5.0, 400.0)
    rows = np.empty((bars, 5))
    for bar in range(bars):
        begin = max(price * (1 + (rng.normal(0, 0.05) if rng.random() < gaps else 0.0)), 0.5)
        end = max(begin * (1 + rng.normal(0, 0.02)), 0.5)
        high, low = (
            max(begin, end) * (1 + rng.uniform(0, 0.015)),
            min(begin, end) * (1 - rng.uniform(0, 0.015)),
        )
        prices = np.round([begin, high, low, end], decimals)
        rows[bar] = [*prices, 0 if rng.random() < 0.03 else rng.integers(1, volume)]
        price = end
    rows[rng.random(bars) < holes] = np.nan
    rows[0] = [*([np.round(price, decimals)] * 4), 1]
    return rows
