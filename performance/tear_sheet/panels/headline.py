"""The figures that a reader looks for first, and the table of all measures."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from performance.measures import CATALOGUE, PerformanceData, evaluate
from performance.round_trips import round_trips
from performance.series import FloatArray
from performance.tear_sheet.page import Table, Tile, Tiles
from performance.tear_sheet.panels.activity import by_session, price_costs, traded_by_session
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
    return evaluate(
        PerformanceData(
            returns=data.returns,
            equity=data.equity,
            dates=data.dates,
            benchmark=benchmark,
            profits=None if fills is None else trip_profits(fills),
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
    """Headline figures of a run; ``values`` are its measures."""
    final = float(data.nlv[-1])
    total = final / data.opening - 1.0
    if len(data.dates) < FEWEST_SESSIONS:
        values = {
            name: value
            for name, value in values.items()
            if not {"periods_per_year", "confidence"} & set(CATALOGUE[name].settings)
        }
    deepest = data.max_drawdown if data.max_drawdown is not None else values.get("max_drawdown")
    grid = "session ends" if data.max_drawdown is None else "bar closes"
    free = data.conventions.risk_free_annual
    rate = f"risk-free rate {free:.1%}" if free else "risk-free rate 0"
    tiles = [
        Tile(
            name="Total return",
            value=percent(total),
            hint=f"{money(data.opening)} to {money(final)}",
            tone="@gain" if total >= 0.0 else "@loss",
        ),
        Tile(
            name="A year (CAGR)",
            value=percent(values.get("cagr")),
            hint=_than(values, data),
        ),
        Tile(name="Volatility", value=percent(values.get("volatility_annual")), hint="a year"),
        Tile(name="Sharpe ratio", value=number(values.get("sharpe_ratio")), hint=rate),
        Tile(name="Sortino ratio", value=number(values.get("sortino_ratio")), hint=rate),
        Tile(
            name="Largest drawdown",
            value=percent(deepest),
            hint=f"at {grid}; at most {many(round(values.get('longest_under_water', 0.0)), 'session')} under water",
        ),
    ]
    if "alpha_annual" in values:
        tiles.append(
            Tile(
                name="Beta",
                value=number(values["beta"]),
                hint=f"alpha {percent(values['alpha_annual'])} a year",
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
        tiles += _trading(data.fills, values)
    return Tiles(tiles=tiles)


def _than(values: Mapping[str, float], data: ReportData) -> str:
    if len(data.dates) < FEWEST_SESSIONS:
        return f"not told of {many(len(data.dates), 'session')}"
    if data.benchmark is None or "active_return_annual" not in values:
        return many(len(data.dates), "session")
    return f"benchmark {percent(values['cagr'] - values['active_return_annual'])}"


def _trading(fills: Fills, values: Mapping[str, float]) -> list[Tile]:
    costs = float(costs_of(fills).sum())
    winning = values.get("hit_rate", math.nan)
    return [
        Tile(
            name="Fills",
            value=count(len(fills.times)),
            hint=f"winning round trips {percent(winning, 0)}, profit factor {number(values.get('profit_factor'))}",
        ),
        Tile(
            name="Turnover",
            value=f"{number(values.get('turnover_annual'), 1)}×",
            hint="of the equity a year, one side",
        ),
        Tile(
            name="Costs",
            value=money(costs),
            hint=f"{percent(values.get('costs_annual'), 2)} a year, {number(values.get('costs_bps'), 1)} bps of turnover",
        ),
    ]


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
