"""Reading a file of bars, CSV or Parquet, into columns of numbers. What the stamps mean is settled in ``csv_bars``."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from data.bar_table import NS_PER_S, DataError

if TYPE_CHECKING:
    from pyarrow import Table

PRICES = ("open", "high", "low", "close")
SUFFIXES = (".csv", ".csv.gz", ".parquet")
MOST_PROBLEMS = 20
_FIRST_YEAR, _LAST_YEAR = 1800, 2200  # int64 nanoseconds end in 2262

# Names of the time column, by what they say about it.
_TIME_NAMES = {
    "date": "",
    "time": "",
    "datetime": "",
    "timestamp": "",
    "start": "start",
    "start_time": "start",
    "open_time": "start",
    "end": "end",
    "end_time": "end",
    "close_time": "end",
}
_EPOCH_UNITS = {10: NS_PER_S, 13: 1_000_000, 16: 1000, 19: 1}  # by the number of digits


class Problems:
    """Collects sentences about one file, and stops when there are enough."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: list[str] = []

    def add(self, text: str, line: int | None = None) -> None:
        """Note a problem; raises when there are too many to go on.

        Raises
        ------
        DataError
            With what was found so far.
        """
        place = f"{self._path}: line {line}" if line is not None else f"{self._path}"
        self._found.append(f"{place}: {text}")
        if len(self._found) >= MOST_PROBLEMS:
            self._found.append(f"{self._path}: there may be more; the first {MOST_PROBLEMS} are shown")
            self.check()

    def check(self) -> None:
        """Raise what was found.

        Raises
        ------
        DataError
            When there is anything.
        """
        if self._found:
            raise DataError(self._found)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawBars:
    """A file's columns, shape (rows,). ``lines`` are line numbers in the file (row numbers in Parquet).

    ``stamp_ns`` are UTC; when ``is_daily`` they are midnights UTC of each date. ``stamp_kind`` is "start" or "end" when
    the time column's name says so, else empty.
    """

    lines: NDArray[np.int64]
    stamp_ns: NDArray[np.int64]
    is_daily: bool
    stamp_kind: str
    prices: NDArray[np.float64]  # shape (4, rows): open, high, low, close
    volume: NDArray[np.float64]


def read_bar_file(path: Path, zone: ZoneInfo, problems: Problems) -> RawBars:
    """Read one file.

    Columns, in any order and case: a time (``date``, ``time``, ``datetime``, ``timestamp``; ``start`` or ``end`` say
    which end of the bar it stamps; ``date`` and ``time`` together are one), ``open high low close volume``. Others are
    ignored. Times: ISO dates or dates with times, or seconds to nanoseconds since the epoch; without an offset they are
    local to the exchange.

    Raises
    ------
    DataError
        When the file can't be read, a column is missing, or a value isn't a number or time.
    """
    if path.suffix == ".parquet":
        table = _open_parquet(path)
        typed = _typed_bars(table)
        if typed is not None:
            return typed
        header, rows, first_line = _parquet_rows(table)
    else:
        header, rows, first_line = _read_csv(path)
    places = {name.strip().lower().replace(" ", "_"): place for place, name in enumerate(header)}
    for name in (*PRICES, "volume"):
        if name not in places:
            problems.add(f"there is no column {name!r}; found: {', '.join(header)[:200]}", first_line - 1)
    time_names = [name for name in _TIME_NAMES if name in places]
    if not time_names:
        problems.add(f"there is no time column; expected one of {', '.join(_TIME_NAMES)}", first_line - 1)
    problems.check()
    if not rows:
        problems.add("there are no rows", first_line)
        problems.check()
    lines = np.arange(first_line, first_line + len(rows), dtype=np.int64)
    both = {"date", "time"} <= set(time_names)
    time_places = [places[name] for name in (("date", "time") if both else time_names[:1])]
    texts = [" ".join(row[place].strip() for place in time_places if place < len(row)) for row in rows]
    stamps, is_daily = _read_stamps(texts, zone, first_line, problems)
    numbers = {
        name: _read_numbers(rows, places[name], name, first_line, problems) for name in (*PRICES, "volume")
    }
    problems.check()
    return RawBars(
        lines=lines,
        stamp_ns=stamps,
        is_daily=is_daily,
        stamp_kind=_TIME_NAMES[time_names[0]],
        prices=np.vstack([numbers[name] for name in PRICES]),
        volume=numbers["volume"],
    )


def _read_csv(path: Path) -> tuple[list[str], list[list[str]], int]:
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        rows = list(csv.reader(content.decode("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error, EOFError, zlib.error) as error:
        raise DataError([f"{path}: can't be read: {error}"]) from error
    while rows and not rows[-1]:
        rows.pop()  # blank lines at the end
    if not rows:
        raise DataError([f"{path}: the file is empty"])
    return rows[0], rows[1:], 2


def _open_parquet(path: Path) -> Table:
    # Imported here: it takes a quarter of a second, and few have Parquet files.
    from pyarrow import ArrowException, parquet  # noqa: PLC0415

    try:
        return parquet.read_table(path)
    except (OSError, ArrowException) as error:
        raise DataError([f"{path}: can't be read: {error}"]) from error


def _typed_bars(table: Table) -> RawBars | None:
    """Bars of columns that are numbers and moments already; None when there is anything to be read as text."""
    import pyarrow as pa  # noqa: PLC0415

    columns = {
        str(name).strip().lower(): column
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    times = [name for name in columns if name in _TIME_NAMES]
    if len(times) != 1 or not {*PRICES, "volume"} <= set(columns) or not table.num_rows:
        return None
    stamps, numbers = columns[times[0]], [columns[name] for name in (*PRICES, "volume")]
    is_number = [pa.types.is_floating(one.type) or pa.types.is_integer(one.type) for one in numbers]
    is_daily = pa.types.is_date32(stamps.type)
    is_moment = pa.types.is_timestamp(stamps.type) and stamps.type.tz is not None
    if not all(is_number) or any(one.null_count for one in (stamps, *numbers)) or not (is_daily or is_moment):
        return None
    if is_daily:
        stamp_ns = stamps.cast(pa.int32()).to_numpy().astype(np.int64) * 86_400 * NS_PER_S
    else:
        moments = stamps.to_numpy().astype("datetime64[ns]").astype(np.int64)
        stamp_ns = (moments + NS_PER_S // 2) // NS_PER_S * NS_PER_S  # whole seconds, as from text
    values = np.vstack([one.to_numpy().astype(np.float64) for one in numbers])
    return RawBars(
        lines=np.arange(1, table.num_rows + 1, dtype=np.int64),
        stamp_ns=stamp_ns,
        is_daily=is_daily,
        stamp_kind=_TIME_NAMES[times[0]],
        prices=values[:4],
        volume=values[4],
    )


def _parquet_rows(table: Table) -> tuple[list[str], list[list[str]], int]:
    columns = [[_parquet_text(value) for value in column.to_pylist()] for column in table.columns]
    return list(table.column_names), [list(row) for row in zip(*columns, strict=True)], 1


def _parquet_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _read_numbers(
    rows: Sequence[Sequence[str]], place: int, name: str, first_line: int, problems: Problems
) -> NDArray[np.float64]:
    numbers = np.zeros(len(rows))
    for index, row in enumerate(rows):
        try:
            numbers[index] = float(row[place])
        except IndexError:
            problems.add(f"the row ends before column {name!r}", first_line + index)
        except ValueError:
            problems.add(f"{name} is {row[place][:40]!r}, expected a number", first_line + index)
    return numbers


def _read_stamps(
    texts: Sequence[str], zone: ZoneInfo, first_line: int, problems: Problems
) -> tuple[NDArray[np.int64], bool]:
    moments: list[datetime | date] = []
    for index, text in enumerate(texts):
        moment = parse_moment(text)
        if moment is None or not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
            problems.add(
                f"{text[:40]!r} isn't a date or time of {_FIRST_YEAR} to {_LAST_YEAR} (expected such as 2012-11-12 09:30:00)",
                first_line + index,
            )
        else:
            moments.append(moment)
    problems.check()
    is_daily = all(not isinstance(moment, datetime) for moment in moments)
    if is_daily:
        days = [moment.toordinal() - date(1970, 1, 1).toordinal() for moment in moments]
        return np.array(days, dtype=np.int64) * 86_400 * NS_PER_S, True
    return np.array([_to_ns(moment, zone) for moment in moments], dtype=np.int64), False


def parse_moment(text: str) -> datetime | date | None:
    """Read a date (also written as a midnight without offset), a date and time, or a number since the epoch."""
    digits = text.partition(".")[0]
    if digits.isdecimal() and len(digits) in _EPOCH_UNITS and "." not in text:
        return datetime.fromtimestamp(int(digits) * _EPOCH_UNITS[len(digits)] / NS_PER_S, ZoneInfo("UTC"))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.date() if moment.tzinfo is None and moment.time() == time() else moment


def _to_ns(moment: datetime | date, zone: ZoneInfo) -> int:
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    return round(aware.timestamp()) * NS_PER_S
