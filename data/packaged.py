"""Real daily prices that come with the package ``bokeh_sampledata``: AAPL, FB, GOOG, IBM, MSFT, 2000 to March 2013.

The file is read directly: importing ``bokeh_sampledata.stocks`` would build lists we don't need. The prices are the
public-domain WIKI prices as they were traded.

Splits. Traded prices halve on the day of a 2:1 split, which a strategy would read as a crash and an account would
book as a loss. So prices before a split are divided by its ratio, and volumes multiplied: the newest prices are the
traded ones, and a position held over the day needs no corporate action. A split is recognised by its step in
the ratio of the close to the file's adjusted close (AAPL 2000-06-21 and 2005-02-28, MSFT 2003-02-18, each 2:1).
Dividends are neither adjusted for nor paid.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data.bar_table import DAILY, BarTable, DataError
from data.kept_calendar import kept_calendar
from data.sessions import ExchangeCalendar

_SPLIT_RATIOS = (1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0)
_SPLIT_TOLERANCE = 0.02  # a dividend of a few per cent on the same day moves the step a little
_COLUMNS = ("Ticker", "Date", "Open", "High", "Low", "Close", "Volume", "Adj Close")


def packaged_file() -> Path:
    """Path of the installed price file.

    Raises
    ------
    DataError
        When ``bokeh_sampledata`` is not installed or holds no such file.
    """
    spec = find_spec("bokeh_sampledata")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    for folder in folders:
        path = Path(folder) / "_data" / "stocks.csv.gz"
        if path.is_file():
            return path
    raise DataError(
        ["the package bokeh_sampledata (2026.1 or later) with _data/stocks.csv.gz isn't installed"]
    )


@lru_cache(maxsize=2)
def _rows(path: Path) -> dict[str, list[list[str]]]:
    rows: dict[str, list[list[str]]] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
        reader = csv.reader(text)
        header = tuple(next(reader))
        if header != _COLUMNS:
            raise DataError([f"{path}: line 1: the columns are {header}, expected {_COLUMNS}"])
        for row in reader:
            rows.setdefault(row[0], []).append(row[1:])
    return rows


def packaged_symbols() -> tuple[str, ...]:
    """Symbols in the packaged file, in alphabetical order."""
    return tuple(sorted(_rows(packaged_file())))


def packaged_calendar() -> ExchangeCalendar:
    """Return New York's calendar over the packaged dates, and long enough after them for settlement."""
    return kept_calendar("XNYS", date(2000, 1, 3), date(2013, 4, 30))


def load_packaged(symbols: Sequence[str] | None = None) -> dict[str, BarTable]:
    """Daily bars of the packaged symbols, adjusted for splits.

    Parameters
    ----------
    symbols
        Which ones; None for all.

    Raises
    ------
    DataError
        When a symbol isn't packaged.
    """
    available = packaged_symbols()
    wanted = tuple(symbols) if symbols is not None else available
    unknown = [symbol for symbol in wanted if symbol not in available]
    if unknown:
        raise DataError(
            [f"{symbol} isn't among the packaged symbols {', '.join(available)}" for symbol in unknown]
        )
    calendar = packaged_calendar()
    return {symbol: _table(symbol, calendar) for symbol in wanted}


def _table(symbol: str, calendar: ExchangeCalendar) -> BarTable:
    rows = _rows(packaged_file())[symbol]
    dates = [date.fromisoformat(row[0]) for row in rows]
    sessions = [calendar.session_on(day) for day in dates]
    prices = np.array([[float(text) for text in row[1:]] for row in rows])
    adjusted_close = prices[:, 5]
    ratio, notes = split_factors(dates, prices[:, 3] / adjusted_close)
    return BarTable(
        symbol=symbol,
        size_s=DAILY,
        end_ns=np.array([session.close_ns for session in sessions if session is not None], dtype=np.int64),
        open=prices[:, 0] / ratio,
        high=prices[:, 1] / ratio,
        low=prices[:, 2] / ratio,
        close=prices[:, 3] / ratio,
        volume=np.rint(prices[:, 4] * ratio),
        notes=tuple(f"{symbol}: {note}" for note in notes),
    )


def split_factors(
    dates: Sequence[date], raw_over_adjusted: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[str]]:
    """Divisor of each day's prices that takes out the splits after it.

    Parameters
    ----------
    dates
        Sessions, oldest first.
    raw_over_adjusted
        Close over adjusted close, shape (days,): it falls by the ratio on the day of a split, and by the yield on
        an ex-dividend day.

    Returns
    -------
    factors, notes
        Divisors, shape (days,), 1.0 after the last split; and a sentence for each split.
    """
    factors = np.ones(len(dates))
    notes = []
    steps = raw_over_adjusted[:-1] / raw_over_adjusted[1:]
    for index in np.flatnonzero((steps > 1.4) | (steps < 1 / 1.4)).tolist():
        step = float(steps[index])
        size = max(step, 1 / step)
        nearest = min(_SPLIT_RATIOS, key=lambda ratio: abs(ratio - size))
        if abs(nearest - size) <= _SPLIT_TOLERANCE * nearest:
            factors[: index + 1] *= nearest if step > 1 else 1 / nearest
            notes.append(f"adjusted for the {nearest:g}:1 split of {dates[index + 1]}")
    return factors, notes
