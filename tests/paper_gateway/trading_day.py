"""Whole simulated days for tests of orders that are worked over time."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from data.bar_table import DAILY, NS_PER_S, BarTable
from tests.paper_gateway.desk import DAY, Desk, session_of

NEW_YORK = ZoneInfo("America/New_York")

Day = tuple[float, float, float, float, float]  # open, high, low, close, volume
QUIET_DAY: Day = (100.0, 101.0, 99.0, 100.0, 5_000_000.0)


def daily_table(symbol: str, days: dict[date, Day]) -> BarTable:
    """Daily bars of the given dates, which must be sessions."""
    columns = np.array(list(days.values()), dtype=float).T
    return BarTable(
        symbol=symbol,
        size_s=DAILY,
        end_ns=np.array([session_of(day).close_ns for day in days], dtype=np.int64),
        open=columns[0].copy(),
        high=columns[1].copy(),
        low=columns[2].copy(),
        close=columns[3].copy(),
        volume=columns[4].copy(),
    )


def day_desk(
    *, day: date = DAY, bar: Day = QUIET_DAY, symbol: str = "AAA", seed: int = 1, **options: Any
) -> Desk:
    """A desk at the opening of one simulated day."""
    desk = Desk({symbol: daily_table(symbol, {day: bar})}, seed=seed, **options)
    desk.session = session_of(day)
    desk.market.set_time(desk.session.open_ns)
    return desk.open()


def at(desk: Desk, clock: str) -> int:
    """Nanoseconds of a New York time of the desk's day."""
    moment = datetime.fromisoformat(f"{desk.session.date} {clock}").replace(tzinfo=NEW_YORK)
    return int(moment.timestamp()) * NS_PER_S


def pass_until(desk: Desk, clock: str) -> None:
    """Let time pass until a New York time."""
    until_ns = at(desk, clock)
    while desk.market.now_ns < until_ns:
        desk.step()


def algo(strategy: str, **params: object) -> dict[str, Any]:
    """Fields of an order that a strategy works."""
    return {
        "algo_strategy": strategy,
        "algo_params": tuple((name, str(value)) for name, value in params.items()),
    }
