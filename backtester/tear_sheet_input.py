"""From a backtest to the plain data of its tear sheet (`performance.tear_sheet`)."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from backtester.book import FillColumn, Kind
from backtester.market import Market
from backtester.money import MICRO
from backtester.result import BacktestResult
from core.config_schema import Settings
from data.bar_table import DAILY
from performance.measures import Conventions
from performance.tear_sheet.report_data import Bars, Benchmark, Curve, Fills, ReportData
from performance.tear_sheet.words import many
from portfolio.risk_manager import SESSIONS_PER_YEAR

SHORT_RUN_SESSIONS = 60
"""Up to so many sessions, equity is shown after each bar instead of each session."""

_OPEN, _HIGH, _LOW, _CLOSE = range(4)


def report_data(
    result: BacktestResult,
    market: Market,
    settings: Settings,
    *,
    run: Mapping[str, str] | None = None,
    command: str = "",
) -> ReportData:
    """Take from a result what its tear sheet shows.

    Parameters
    ----------
    result, market, settings
        A run, the bars it traded (more before and after them, such as the warm-up, change nothing), and its configuration.
    run
        What ran, by name (`run_facts`).
    command
        Repeats the run.
    """
    rows = np.flatnonzero(np.diff(result.session_of, append=-1))
    sessions = np.array(result.sessions, dtype="datetime64[D]")
    dates = sessions[result.session_of[rows]]
    # With one bar a session, its date says more than the second of its close.
    times = sessions[result.session_of] if result.size_s == DAILY else result.end_ns.astype("datetime64[ns]")
    first = int(np.searchsorted(market.end_ns, result.end_ns[0]))
    span = slice(first, first + len(result.end_ns))
    traded = market.bars[span]
    closes = market.signal_bars()[span, :, _CLOSE]  # with dividends, and without the steps of splits
    opening = float(result.opening_cash)
    is_short = len(dates) <= SHORT_RUN_SESSIONS and len(times) > len(dates)
    return ReportData(
        title=f"Backtest of {_and(result.strategies)}",
        subtitle=f"{_and(result.symbols, 8)}, {dates[0]} to {dates[-1]}, {many(len(dates), 'session')}, {many(len(times), 'bar')}",
        dates=dates,
        opening=opening,
        nlv=result.nlv[rows],
        gross=result.gross_micros[rows] / MICRO,
        benchmark=Benchmark(
            name="buy and hold",
            opening=opening,
            values=_held(closes, rows, opening),
            note=(
                "the same symbols in equal parts, bought at the first bar's close and held, without costs, with dividends "
                "where the data tell them; the share of a symbol that begins later is cash until its first close."
            ),
        ),
        curve=Curve(
            times=times,
            nlv=result.nlv,
            benchmark=_held(closes, np.arange(len(times)), opening),
        )
        if is_short
        else None,
        fills=_fills(result, times, traded, settings),
        flows={kind: float(amount) for kind, amount in result.flows_by_kind().items()},
        bars={
            symbol: _bars(times, traded[:, column])
            for column, symbol in enumerate(result.symbols)
            if np.isfinite(traded[:, column, _CLOSE]).any()
        },
        denials=result.denials_by_reason(),
        run=run or {},
        command=command,
        notes=result.notes,
        conventions=Conventions(periods_per_year=SESSIONS_PER_YEAR),
        max_drawdown=result.max_drawdown,
    )


def run_facts(folder: Path) -> dict[str, str]:
    """Read from a study's ``run.json`` what says which run it was."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    facts = {
        "run": run.get("id"),
        "written": run.get("written"),
        "code": run.get("code_version"),
        "configuration (SHA-256)": run.get("config_sha256"),
        "data (SHA-256)": run.get("figures", {}).get("data_sha256"),
        "seed": run.get("seed", "none: nothing in this run is random"),
    }
    return {name: str(value) for name, value in facts.items() if value is not None}


def this_command() -> str:
    """Command line of this process, as it would be typed."""
    return shlex.join(["python", *sys.argv])


def _and(names: tuple[str, ...], most: int = 4) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _bars(times: npt.NDArray[np.datetime64], table: npt.NDArray[np.float64]) -> Bars:
    there = np.isfinite(table[:, : _CLOSE + 1]).all(axis=1)
    kept = table[there]
    return Bars(
        times=times[there],
        open=kept[:, _OPEN],
        high=kept[:, _HIGH],
        low=kept[:, _LOW],
        close=kept[:, _CLOSE],
    )


def _held(
    closes: npt.NDArray[np.float64], rows: npt.NDArray[np.int64], opening: float
) -> npt.NDArray[np.float64]:
    """Value after bars ``rows`` of equal parts of the opening cash in every symbol, each bought at its first close.

    A symbol without any bar has no part.
    """
    total, parts = np.zeros(len(rows)), 0
    for column in range(closes.shape[1]):
        there = np.flatnonzero(np.isfinite(closes[:, column]))
        if len(there):
            prices = closes[there, column]
            latest = np.searchsorted(there, rows, side="right") - 1
            total += np.where(latest >= 0, prices[np.maximum(latest, 0)] / prices[0], 1.0)
            parts += 1
    value: npt.NDArray[np.float64] = opening * total / max(parts, 1)
    return value


def _fills(
    result: BacktestResult,
    times: npt.NDArray[np.datetime64],
    traded: npt.NDArray[np.float64],
    settings: Settings,
) -> Fills:
    table = result.fill_table
    bar = np.searchsorted(result.end_ns, result.market_end_ns[table[:, FillColumn.BAR]])
    symbol = table[:, FillColumn.SYMBOL]
    kinds = table[:, FillColumn.KIND]
    # A market order's undisturbed price is the bar's open (close, for market-on-close); a stop's lies inside the bar.
    market_orders = kinds == Kind.EXIT
    if settings.execution.method != "LMT":
        market_orders |= kinds == Kind.ENTRY
    column = _CLOSE if settings.backtest.fill_at == "close" else _OPEN
    _numbers, places = np.unique(result.session_of, return_inverse=True)
    return Fills(
        times=times[bar],
        sessions=places[bar],
        symbols=np.array(result.symbols)[symbol],
        strategies=np.array(result.strategies)[table[:, FillColumn.STRATEGY]],
        quantities=table[:, FillColumn.QUANTITY].astype(np.float64),
        prices=table[:, FillColumn.PRICE] / MICRO,
        commissions=table[:, FillColumn.COMMISSION] / MICRO,
        purposes=np.array([kind.name.lower() for kind in Kind])[kinds],
        references=np.where(market_orders, traded[bar, symbol, column], np.nan),
    )
