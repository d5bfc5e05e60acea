"""The user's own bars: a folder with one CSV or Parquet file a symbol, of any bar size.

The file's name is the symbol (``AAPL.csv``, ``AAPL.csv.gz``, ``AAPL.parquet``). A column of dates makes daily bars;
otherwise the bar size is the commonest distance of two rows, and whether stamps are the start or the end of a bar is seen
from the rows at the exchange's opening and closing times, unless the column's name says it. Rows outside regular hours
are left out and counted in the table's notes. Prices are taken as they are, but for what `data.quality` is told to mend.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from data.bar_files import PRICES, SUFFIXES, Problems, RawBars, read_bar_file
from data.bar_table import DAILY, NS_PER_S, BarTable, DataError
from data.kept_calendar import kept_calendar
from data.quality.findings import Check, Finding, Policies, Policy
from data.quality.gate import check_rows, default_policies
from data.quality.integrity import Rows, raise_failures
from data.quality.report import QualityReport
from data.sessions import ExchangeCalendar

_SYMBOL = re.compile(r"[A-Z][A-Z0-9. ]{0,11}")
_STEP_S = 5
_AFTER_LAST = timedelta(days=60)  # so that the newest fills still settle inside the calendar
_BEFORE_FIRST = timedelta(days=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFolder:
    """Bars of a folder by symbol, a calendar that covers them, and what the checks found."""

    tables: dict[str, BarTable]
    calendar: ExchangeCalendar
    report: QualityReport = field(default_factory=QualityReport)


def load_folder(
    folder: Path,
    symbols: Sequence[str] | None = None,
    *,
    calendar_name: str = "XNYS",
    policies: Policies | None = None,
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
    policies
        What is done about defects; None for the configuration's defaults.

    Raises
    ------
    DataError
        With every problem found: file, line, value, what is expected.
    """
    files = find_files(folder, symbols)
    zone = ZoneInfo("America/New_York") if calendar_name == "XNYS" else _zone_of(calendar_name)
    policies = policies or default_policies()
    problems: list[str] = []
    raw: dict[str, RawBars] = {}
    for symbol, path in files.items():
        try:
            raw[symbol] = read_bar_file(path, zone, Problems(path))
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    calendar = calendar_over(
        calendar_name,
        [stamp for bars in raw.values() for stamp in (int(bars.stamp_ns.min()), int(bars.stamp_ns.max()))],
    )

    def make_table(rows: Rows) -> tuple[BarTable, list[Finding]]:
        return stamp_table(rows, raw[rows.symbol].stamp_kind, calendar, policies)

    rows = {symbol: _rows(symbol, bars, files[symbol]) for symbol, bars in raw.items()}
    checked = check_rows(rows, make_table, calendar, policies)
    return PriceFolder(tables=checked.tables, calendar=calendar, report=checked.report)


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


def _rows(symbol: str, raw: RawBars, path: Path) -> Rows:
    return Rows(
        symbol=symbol,
        is_daily=raw.is_daily,
        time_ns=raw.stamp_ns,
        prices=raw.prices,
        volume=raw.volume,
        lines=raw.lines,
        origin=str(path),
    )


def stamp_table(
    rows: Rows,
    stamp_kind: str,
    calendar: ExchangeCalendar,
    policies: Policies,
    *,
    size_s: int | None = None,
) -> tuple[BarTable, list[Finding]]:
    """Stamp mended rows with their closing times.

    Parameters
    ----------
    rows
        In order of time. Times of daily rows are midnights UTC of their dates.
    stamp_kind
        "start" or "end" of a bar; empty when it must be seen from the times.
    size_s
        Size of intraday bars where it is known; else it is seen from the times.

    Raises
    ------
    DataError
        When a date isn't a session and the policy says fail, or the meaning of the stamps can't be seen.
    """
    problems = Problems(Path(rows.origin or rows.symbol))
    notes: tuple[str, ...] = ()
    findings: list[Finding] = []
    if rows.is_daily:
        end_ns, keep, findings = _session_closes(rows, calendar, policies[Check.OUTSIDE_SESSIONS])
        size_s = DAILY
    else:
        size_s = size_s or _bar_size(rows, problems)
        end_ns, keep = _intraday_ends(rows, stamp_kind, size_s, calendar, problems)
        left_out = int((~keep).sum())
        if left_out:
            notes = (f"{rows.symbol}: {left_out} rows outside regular hours left out",)
    problems.check()
    raise_failures(findings)
    columns = {name: rows.prices[place][keep] for place, name in enumerate(PRICES)}
    table = BarTable(
        symbol=rows.symbol,
        size_s=size_s,
        end_ns=end_ns[keep],
        volume=rows.volume[keep],
        notes=notes,
        **columns,
    )
    return table, findings


def _zone_of(calendar_name: str) -> ZoneInfo:
    return kept_calendar(calendar_name, date(2020, 1, 1), date(2020, 2, 1)).timezone


def calendar_over(name: str, moments_ns: Sequence[int]) -> ExchangeCalendar:
    """Return the calendar of an exchange over these moments, and long enough after them for settlement."""
    return kept_calendar(name, _date(min(moments_ns)) - _BEFORE_FIRST, _date(max(moments_ns)) + _AFTER_LAST)


def _date(time_ns: int) -> date:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).date()


def _session_closes(
    rows: Rows, calendar: ExchangeCalendar, policy: Policy
) -> tuple[NDArray[np.int64], NDArray[np.bool_], list[Finding]]:
    ends = np.zeros(len(rows.time_ns), dtype=np.int64)
    findings = []
    for row, stamp in enumerate(rows.time_ns.tolist()):
        session = calendar.session_on(_date(stamp))
        if session is None:
            text = f"{_date(stamp)} isn't a session of {calendar.name}"
            done = "dropped" if policy is Policy.DROP else ""
            findings.append(rows.finding(Check.OUTSIDE_SESSIONS, policy, row, text, done))
        else:
            ends[row] = session.close_ns
    return ends, ends > 0, findings


def _intraday_ends(
    rows: Rows, stamp_kind: str, size_s: int, calendar: ExchangeCalendar, problems: Problems
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return closing times, and which rows lie in regular hours."""
    sessions = calendar.sessions(calendar.first_date, calendar.last_date)
    opens = np.array([session.open_ns for session in sessions], dtype=np.int64)
    closes = np.array([session.close_ns for session in sessions], dtype=np.int64)
    if (stamp_kind or _kind_of_stamps(rows, opens, closes, problems)) == "end":
        ends = rows.time_ns
        place = np.searchsorted(opens, ends, side="left") - 1
        keep = (place >= 0) & (ends <= closes[place.clip(0)])
    else:
        place = np.searchsorted(opens, rows.time_ns, side="right") - 1
        keep = (place >= 0) & (rows.time_ns < closes[place.clip(0)])
        # Hourly bars are cut short by the clock or by the close: a bar ends where the next one begins.
        following = np.append(rows.time_ns[1:], np.iinfo(np.int64).max)
        ends = np.minimum(np.minimum(rows.time_ns + size_s * NS_PER_S, following), closes[place.clip(0)])
    if not keep.any():
        problems.add(
            f"no row lies in a session of {calendar.name}; are the times local to the exchange, or with an offset?"
        )
    if size_s >= _STEP_S:
        odd = keep & ((ends - opens[place.clip(0)]) % (_STEP_S * NS_PER_S) != 0)
        for row in np.flatnonzero(odd).tolist():
            line = int(rows.lines[row]) if len(rows.lines) else None
            problems.add(f"the bar doesn't end on a multiple of {_STEP_S} s", line)
    return ends, keep


def _bar_size(rows: Rows, problems: Problems) -> int:
    steps = np.diff(rows.time_ns)
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
    rows: Rows, opens: NDArray[np.int64], closes: NDArray[np.int64], problems: Problems
) -> str:
    """Whether stamps are starts or ends of bars: starts stand at openings, ends at closings, never both."""
    at_open = bool(np.isin(rows.time_ns, opens).any())
    at_close = bool(np.isin(rows.time_ns, closes).any())
    if at_open != at_close:
        return "start" if at_open else "end"
    seen = "both opening and closing times" if at_open else "neither an opening nor a closing time"
    problems.add(f"the stamps hold {seen}, so call the time column 'start' or 'end'")
    problems.check()
    return "start"
