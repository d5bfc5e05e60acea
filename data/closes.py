"""Bars made from closing prices alone, and the packaged closes of 20 large US stocks, 1990 to 2022.

The closes come with the package ``skfolio`` (``sp500_dataset.csv.gz``; its calls can download other sets, this file is
installed) and are adjusted for splits and dividends, so a position needs no corporate action and earns its dividends.

Nothing is invented inside a day: open, high and low are the close. So a market order that was decided on a close fills at
the next close, a stop is only seen at closes, and ranges measure the moves from close to close. No volumes are packaged;
each bar gets the shares that $100 million buy at its close, so that the caps on participation work on a made-up but
plausible turnover. Every table says so in its notes.

Adjusted prices of thirty years ago are cents for some symbols. Rules that count shares (commission a share, the largest
order) mean something else there than they did then.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from data.bar_table import DAILY, BarTable, DataError
from data.kept_calendar import kept_calendar
from data.sessions import ExchangeCalendar

DOLLARS_A_DAY: Final = 100e6
"""Made-up turnover of a symbol that has no volumes."""


def bars_from_closes(symbol: str, end_ns: NDArray[np.int64], closes: NDArray[np.float64]) -> BarTable:
    """Daily bars whose four prices are the close, without volumes.

    Parameters
    ----------
    end_ns, closes
        Shape (days,); closes above 0.
    """
    return BarTable(
        symbol=symbol,
        size_s=DAILY,
        end_ns=end_ns,
        open=closes.copy(),
        high=closes.copy(),
        low=closes.copy(),
        close=closes,
        volume=np.zeros(len(closes)),
    )


def with_made_up_volumes(table: BarTable, dollars_a_day: float = DOLLARS_A_DAY) -> BarTable:
    """Table whose every bar has the shares that so many dollars buy at its close."""
    return replace(table, volume=np.rint(dollars_a_day / table.close))


def skfolio_file() -> Path:
    """Path of the installed file of closes.

    Raises
    ------
    DataError
        When ``skfolio`` isn't installed or holds no such file.
    """
    spec = find_spec("skfolio")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / "datasets" / "data" / "sp500_dataset.csv.gz"
        if path.is_file():
            return path
    raise DataError(
        ["the package skfolio with datasets/data/sp500_dataset.csv.gz isn't installed (`make setup`)"]
    )


def skfolio_calendar() -> ExchangeCalendar:
    """Return New York's calendar over the packaged dates, and long enough after them for settlement."""
    return kept_calendar("XNYS", date(1990, 1, 2), date(2023, 2, 28))


def load_skfolio(symbols: Sequence[str] | None = None) -> dict[str, BarTable]:
    """Daily bars of the packaged symbols, without volumes; None for all.

    Raises
    ------
    DataError
        When a symbol isn't packaged.
    """
    days, columns = _read(skfolio_file())
    wanted = tuple(symbols) if symbols is not None else tuple(columns)
    unknown = [symbol for symbol in wanted if symbol not in columns]
    if unknown:
        raise DataError(
            [f"{symbol} isn't among skfolio's symbols {', '.join(columns)}" for symbol in unknown]
        )
    calendar = skfolio_calendar()
    closes_ns = {one.date: one.close_ns for one in calendar.sessions(days[0], days[-1])}
    end_ns = np.array([closes_ns[day] for day in days], dtype=np.int64)
    return {symbol: bars_from_closes(symbol, end_ns.copy(), columns[symbol].copy()) for symbol in wanted}


SKFOLIO_NOTE: Final = (
    "skfolio: closes adjusted for splits and dividends; open, high and low are the close, and volumes are made up ($100 "
    "million a day): entries fill at the next close, stops are seen at closes only"
)


@lru_cache(maxsize=2)
def _read(path: Path) -> tuple[tuple[date, ...], Mapping[str, NDArray[np.float64]]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        header, *rows = csv.reader(text)
    days = tuple(date.fromisoformat(row[0]) for row in rows)
    values = np.array([row[1:] for row in rows], dtype=np.float64)
    return days, {name: np.ascontiguousarray(values[:, place]) for place, name in enumerate(header[1:])}
