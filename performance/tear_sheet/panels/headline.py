"""The figures that a reader looks for first, and the table of all measures."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from performance.measures import CATALOGUE, PerformanceData, evaluate
from performance.round_trips import round_trips
from performance.series import FloatArray
from performance.tear_sheet.page import Table, Tile, Tiles
from performance.tear_sheet.panels.activity import (
    by_session,
    is_explained,
    price_costs,
    profits,
    traded_by_session,
)
from performance.tear_sheet.report_data import Fills, ReportData
from performance.tear_sheet.words import count, many, money, number, percent

FEWEST_SESSIONS = 20
"""A shorter run isn't annualised: one good day is no year."""


def measures_of(data: ReportData) -> dict[str, float]:
    """Every measure that the data allows, of session values; nothing of an account that was lost."""
    if not data.is_solvent:
        return {}
    benchmark = data.benchmark_returns
    if benchmark is not None and not np.isfinite(benchmark).all():
        benchmark = None
    fills = data.fills
    told = fills is not None and is_explained(data, profits(fills, data.bars))
    return evaluate(
        PerformanceData(
            returns=data.returns,
            equity=data.equity,
            dates=data.dates,
            benchmark=benchmark,
            profits=trip_profits(fills) if told and fills is not None else None,
            exposure=None if data.gross is None else data.gross / data.nlv,
            traded=None if fills is None else traded_by_session(data.dates, fills),
            costs=None if fills is None else by_session(data.dates, fills, costs_of(fills)),
        ),
        data.conventions,
    )


def costs_of(fills: Fills) -> FloatArray:
    """Commission of each fill, and its spread, slippage and impact where known."""
    return fills.commissions + np.nan_to_num(price_costs(fills), nan=0.0)


def trip_profits(fills: Fills) -> FloatArray:
    """Profits of all round trips of each strategy and symbol, by the time of their end."""
    ended: list[tuple[np.datetime64, float]] = []
    for strategy, symbol in sorted(set(zip(fills.strategies.tolist(), fills.symbols.tolist(), strict=True))):
        mine = fills.of((fills.strategies == strategy) & (fills.symbols == symbol))
        trips = round_trips(mine.quantities, mine.prices, mine.commissions)
        ended += [(mine.times[one.last_fill], one.profit) for one in trips]
    return np.array([profit for _time, profit in sorted(ended, key=lambda one: one[0])])


def headline(data: ReportData, values: Mapping[str, float]) -> Tiles:
    """Headline figures of a run; ``values`` are its measures. What is annual is left out of short runs."""
    final = float(data.nlv[-1])
    total = final / data.opening - 1.0
    tiles = [
        Tile(
            name="Total return",
            value=percent(total),
            hint=f"{money(data.opening)} to {money(final)}",
            tone="@gain" if total >= 0.0 else "@loss",
        ),
        *(_annual(data, values) if len(data.dates) >= FEWEST_SESSIONS and values else []),
    ]
    deepest, grid = data.max_drawdown, "bar closes"
    if deepest is None:
        deepest, grid = values.get("max_drawdown"), "session ends"
    under = round(values.get("longest_under_water", 0.0))
    tiles.append(
        Tile(
            name="Largest drawdown",
            value=percent(deepest),
            hint=f"at {grid}; under water for {many(under, 'session')} at most",
        )
    )
    if "average_exposure" in values:
        tiles.append(
            Tile(
                name="Mean exposure",
                value=percent(values["average_exposure"]),
                hint=f"in the market {percent(values['time_in_market'], 0)} of sessions",
            )
        )
    if data.fills is not None:
        tiles += _trading(data.fills, values, is_long=len(data.dates) >= FEWEST_SESSIONS)
    return Tiles(tiles=tiles)


def _annual(data: ReportData, values: Mapping[str, float]) -> list[Tile]:
    free = data.conventions.risk_free_annual
    rate = f"risk-free rate {percent(free)}" if free else "risk-free rate 0"
    tiles = [
        Tile(name="A year (CAGR)", value=percent(values["cagr"]), hint=_than(values)),
        Tile(name="Volatility", value=percent(values["volatility_annual"]), hint="a year"),
        Tile(name="Sharpe ratio", value=number(values["sharpe_ratio"]), hint=rate),
        Tile(name="Sortino ratio", value=number(values["sortino_ratio"]), hint=rate),
    ]
    if "beta" in values:
        hint = f"alpha {percent(values['alpha_annual'])} a year"
        tiles.append(Tile(name="Beta", value=number(values["beta"]), hint=hint))
    return tiles


def _than(values: Mapping[str, float]) -> str:
    if "active_return_annual" not in values:
        return "compounded"
    return f"benchmark {percent(values['cagr'] - values['active_return_annual'])}"


def _trading(fills: Fills, values: Mapping[str, float], *, is_long: bool) -> list[Tile]:
    if not len(fills.times):
        return [Tile(name="Fills", value="0", hint="nothing was traded")]
    winning, factor = values.get("hit_rate"), values.get("profit_factor")
    spent = f"{number(values.get('costs_bps'), 1)} bps of what was traded"
    trips = f"winning round trips {percent(winning, 0)}, profit factor {number(factor)}"
    tiles = [
        Tile(name="Fills", value=count(len(fills.times)), hint=trips if "hit_rate" in values else ""),
    ]
    if is_long and "turnover_annual" in values:
        turnover = f"{number(values['turnover_annual'], 1)}×"
        tiles.append(Tile(name="Turnover", value=turnover, hint="of the equity a year, one side"))
        spent = f"{percent(values['costs_annual'], 2)} a year, {spent}"
    return [*tiles, Tile(name="Costs", value=money(float(costs_of(fills).sum())), hint=spent)]


def measure_tables(values: Mapping[str, float]) -> list[Table]:
    """All measures with their formulas, a table a family."""
    tables = []
    for family in dict.fromkeys(CATALOGUE[name].family for name in values):
        rows = [
            (name.replace("_", " "), _as_figure(value), CATALOGUE[name].formula.replace("``", ""))
            for name, value in values.items()
            if CATALOGUE[name].family == family
        ]
        tables.append(Table(title=family.capitalize(), columns=("measure", "value", "formula"), rows=rows))
    return tables


def _as_figure(value: float) -> str:
    if math.isnan(value):
        return "–"
    return number(value, 0) if abs(value) >= 1_000 or value == round(value) else number(value, 4)
