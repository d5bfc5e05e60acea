"""The user's own bars: a folder with one CSV or Parquet file a symbol, of any bar size.

The file's name is the symbol (``AAPL.csv``, ``AAPL.csv.gz``, ``AAPL.parquet``). A column of dates makes daily bars;
otherwise the bar size is the commonest distance of two rows, and whether stamps are the start or the end of a bar is seen
from the rows at the exchange's opening and closing times, unless the column's name says it. Rows outside regular hours
are left out and counted in the table's notes. Prices are taken as they are: nothing is adjusted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from data.bar_files import PRICES, SUFFIXES, Problems, RawBars, read_bar_file
from data.bar_table import DAILY, NS_PER_S, BarTable, DataError
from data.exchange_calendar import ExchangeCalendar, exchange_calendar

_SYMBOL = re.compile(r"[A-Z][A-Z0-9. ]{0,11}")
_STEP_S = 5
_AFTER_LAST = timedelta(days=60)  # so that the newest fills still settle inside the calendar
_BEFORE_FIRST = timedelta(days=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFolder:
    """Bars of a folder by symbol, and a calendar that covers them."""

    tables: dict[str, BarTable]
    calendar: ExchangeCalendar


def load_folder(
    folder: Path, symbols: Sequence[str] | None = None, *, calendar_name: str = "XNYS"
) -> PriceFolder:
    """Read a folder of bars.

    Parameters
    ----------
    folder
        One file a symbol.
    symbols
        Which ones; None for all.
    calendar_name
        Exchange whose sessions the bars belong to.

    Raises
    ------
    DataError
        With every problem found: file, line, value, what is expected.
    """
    files = find_files(folder, symbols)
    zone = ZoneInfo("America/New_York") if calendar_name == "XNYS" else _zone_of(calendar_name)
    problems: list[str] = []
    raw: dict[str, RawBars] = {}
    for symbol, path in files.items():
        try:
            raw[symbol] = read_bar_file(path, zone, Problems(path))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    calendar = _calendar_over(calendar_name, raw.values())
    tables: dict[str, BarTable] = {}
    for symbol, bars in raw.items():
        try:
            tables[symbol] = make_table(symbol, bars, calendar, Problems(files[symbol]))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return PriceFolder(tables=tables, calendar=calendar)


def find_files(folder: Path, symbols: Sequence[str] | None) -> dict[str, Path]:
    """Find the files of a folder by symbol.

    Raises
    ------
    DataError
        When the folder can't be listed or holds no bars, a name isn't a symbol, a symbol has two files or none.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.name.lower().endswith(SUFFIXES))
    except OSError as error:
        raise DataError([f"{folder}: can't be listed: {error.strerror}"]) from error
    problems: list[str] = []
    files: dict[str, Path] = {}
    for path in paths:
        symbol = re.sub(r"(\.csv|\.csv\.gz|\.parquet)$", "", path.name, flags=re.IGNORECASE).upper()
        if symbols is not None and symbol not in symbols:
            continue
        if not _SYMBOL.fullmatch(symbol):
            problems.append(f"{path}: the name isn't a symbol: {symbol!r}")
        elif symbol in files:
            problems.append(f"{path}: {symbol} has another file already: {files[symbol].name}")
        else:
            files[symbol] = path
    problems += [f"{folder}: there is no file of {symbol}" for symbol in symbols or () if symbol not in files]
    if not files and not problems:
        problems.append(f"{folder}: there is no file that ends in {', '.join(SUFFIXES)}")
    if problems:
        raise DataError(problems)
    return files


def make_table(symbol: str, raw: RawBars, calendar: ExchangeCalendar, problems: Problems) -> BarTable:
    """Check a file's bars, and stamp them with their closing times.

    Raises
    ------
    DataError
        When a price or volume is out of order, a time stands twice or goes back, a date isn't a session, or the
        meaning of the stamps can't be seen.
    """
    _check_values(raw, problems)
    _check_order(raw, problems)
    problems.check()
    notes: tuple[str, ...] = ()
    if raw.is_daily:
        keep = np.ones(len(raw.lines), dtype=np.bool_)
        end_ns, size_s = _session_closes(raw, calendar, problems), DAILY
    else:
        end_ns, keep, size_s = _intraday_ends(raw, calendar, problems)
        left_out = int((~keep).sum())
        if left_out:
            notes = (f"{symbol}: {left_out} rows outside regular hours left out",)
    problems.check()
    columns = {name: raw.prices[place][keep] for place, name in enumerate(PRICES)}
    return BarTable(
        symbol=symbol, size_s=size_s, end_ns=end_ns[keep], volume=raw.volume[keep], notes=notes, **columns
    )


def _zone_of(calendar_name: str) -> ZoneInfo:
    return exchange_calendar(calendar_name, date(2020, 1, 1), date(2020, 2, 1)).timezone


def _calendar_over(name: str, files: Iterable[RawBars]) -> ExchangeCalendar:
    stamps = [stamp for bars in files for stamp in (int(bars.stamp_ns.min()), int(bars.stamp_ns.max()))]
    return exchange_calendar(name, _date(min(stamps)) - _BEFORE_FIRST, _date(max(stamps)) + _AFTER_LAST)


def _date(time_ns: int) -> date:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).date()


def _check_values(raw: RawBars, problems: Problems) -> None:
    opens, highs, lows, closes = raw.prices
    for place, name in enumerate(PRICES):
        column = raw.prices[place]
        for row in np.flatnonzero(~(np.isfinite(column) & (column > 0))).tolist():
            problems.add(f"{name} is {column[row]:g}, expected a price above 0", int(raw.lines[row]))
    for row in np.flatnonzero((highs < opens) | (highs < closes) | (highs < lows)).tolist():
        problems.add(
            f"high is {highs[row]:g}, below open {opens[row]:g}, low {lows[row]:g} or close {closes[row]:g}",
            int(raw.lines[row]),
        )
    for row in np.flatnonzero((lows > opens) | (lows > closes)).tolist():
        problems.add(
            f"low is {lows[row]:g}, above open {opens[row]:g} or close {closes[row]:g}", int(raw.lines[row])
        )
    for row in np.flatnonzero(~(np.isfinite(raw.volume) & (raw.volume >= 0))).tolist():
        problems.add(f"volume is {raw.volume[row]:g}, expected 0 or more", int(raw.lines[row]))


def _check_order(raw: RawBars, problems: Problems) -> None:
    for row in (np.flatnonzero(np.diff(raw.stamp_ns) <= 0) + 1).tolist():
        same = raw.stamp_ns[row] == raw.stamp_ns[row - 1]
        what = "stands twice" if same else "is before the row above it"
        moment = datetime.fromtimestamp(int(raw.stamp_ns[row]) // NS_PER_S, UTC)
        text = f"{moment:%Y-%m-%d}" if raw.is_daily else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
        problems.add(f"the time {text} {what}", int(raw.lines[row]))


def _session_closes(raw: RawBars, calendar: ExchangeCalendar, problems: Problems) -> NDArray[np.int64]:
    ends = np.zeros(len(raw.lines), dtype=np.int64)
    for row, stamp in enumerate(raw.stamp_ns.tolist()):
        session = calendar.session_on(_date(stamp))
        if session is None:
            problems.add(f"{_date(stamp)} isn't a session of {calendar.name}", int(raw.lines[row]))
        else:
            ends[row] = session.close_ns
    return ends


def _intraday_ends(
    raw: RawBars, calendar: ExchangeCalendar, problems: Problems
) -> tuple[NDArray[np.int64], NDArray[np.bool_], int]:
    """Return closing times, which rows lie in regular hours, and the bar size in seconds."""
    size_s = _bar_size(raw, problems)
    sessions = calendar.sessions(calendar.first_date, calendar.last_date)
    opens = np.array([session.open_ns for session in sessions], dtype=np.int64)
    closes = np.array([session.close_ns for session in sessions], dtype=np.int64)
    if (raw.stamp_kind or _kind_of_stamps(raw, opens, closes, problems)) == "end":
        ends = raw.stamp_ns
        place = np.searchsorted(opens, ends, side="left") - 1
        keep = (place >= 0) & (ends <= closes[place.clip(0)])
    else:
        place = np.searchsorted(opens, raw.stamp_ns, side="right") - 1
        keep = (place >= 0) & (raw.stamp_ns < closes[place.clip(0)])
        # Hourly bars are cut short by the clock or by the close: a bar ends where the next one begins.
        following = np.append(raw.stamp_ns[1:], np.iinfo(np.int64).max)
        ends = np.minimum(np.minimum(raw.stamp_ns + size_s * NS_PER_S, following), closes[place.clip(0)])
    if not keep.any():
        problems.add(
            f"no row lies in a session of {calendar.name}; are the times local to the exchange, or with an offset?"
        )
    if size_s >= _STEP_S:
        odd = keep & ((ends - opens[place.clip(0)]) % (_STEP_S * NS_PER_S) != 0)
        for row in np.flatnonzero(odd).tolist():
            problems.add(f"the bar doesn't end on a multiple of {_STEP_S} s", int(raw.lines[row]))
    return ends, keep, size_s


def _bar_size(raw: RawBars, problems: Problems) -> int:
    steps = np.diff(raw.stamp_ns)
    if not len(steps):
        problems.add("one row doesn't tell the bar size")
        problems.check()
    sizes, counts = np.unique(steps, return_counts=True)
    size_s = int(sizes[counts.argmax()]) // NS_PER_S
    if size_s < 1 or (size_s % _STEP_S and _STEP_S % size_s):
        problems.add(f"the rows are {size_s} s apart; expected 1 s, or a multiple of {_STEP_S} s")
        problems.check()
    return size_s


def _kind_of_stamps(
    raw: RawBars, opens: NDArray[np.int64], closes: NDArray[np.int64], problems: Problems
) -> str:
    """Whether stamps are starts or ends of bars: starts stand at openings, ends at closings, never both."""
    at_open = bool(np.isin(raw.stamp_ns, opens).any())
    at_close = bool(np.isin(raw.stamp_ns, closes).any())
    if at_open != at_close:
        return "start" if at_open else "end"
    seen = "both opening and closing times" if at_open else "neither an opening nor a closing time"
    problems.add(f"the stamps hold {seen}, so call the time column 'start' or 'end'")
    problems.check()
    return "start"
