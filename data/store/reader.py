"""Reading a store, also while another process writes to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import numpy as np

from data.bar_table import NS_PER_S, BarTable, DataError
from data.corporate_actions import ActionKind, CorporateAction
from data.store.schema import PriceKind, Series, check_version, fetch, reading_copy
from data.store.writer import HistoryWriter, StoreBusy


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a store has of one series."""

    series: Series
    bars: int
    first_ns: int
    last_ns: int

    @property
    def span(self) -> str:
        """Dates (UTC) of the first and last bar."""
        first, last = (
            datetime.fromtimestamp(moment // NS_PER_S, UTC).date() for moment in (self.first_ns, self.last_ns)
        )
        return f"{first} to {last}"


class HistoryReader:
    """A store's reading copy, brought up to date first when nobody is writing.

    Parameters
    ----------
    path
        The store, as its writer knows it.

    Raises
    ------
    DataError
        When there is no store, it is damaged, or another process is writing it for the first time.
    """

    def __init__(self, path: Path) -> None:
        self.note = ""
        """Why the copy may be older than the store; empty when it isn't."""
        if not path.is_file():
            raise DataError([f"{path}: there is no such store; `python -m data import --help` makes one"])
        copy = reading_copy(path)
        if not _is_fresh(path, copy):
            try:
                HistoryWriter(path, wait_s=0.5 if copy.is_file() else 5.0).close()
            except StoreBusy as busy:
                if not copy.is_file():
                    raise
                published = datetime.fromtimestamp(copy.stat().st_mtime, UTC)
                self.note = f"{busy}; this is what it had published at {published:%Y-%m-%d %H:%M:%S} UTC"
        try:
            self._connection = duckdb.connect(str(copy), read_only=True)
        except duckdb.Error as error:
            raise DataError([f"{copy}: can't be opened: {error}"]) from error
        check_version(self._connection, copy)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def holdings(self) -> list[Holding]:
        """Every series, in order of symbol, size, source and kind of prices."""
        rows = fetch(
            self._connection,
            "SELECT symbol, size_s, source, prices, count(*), min(end_ns), max(end_ns) FROM bars "
            "GROUP BY ALL ORDER BY symbol, size_s, source, prices",
        )
        return [
            Holding(
                series=Series(symbol=symbol, size_s=size_s, source=source, prices=PriceKind(prices)),
                bars=bars,
                first_ns=first,
                last_ns=last,
            )
            for symbol, size_s, source, prices, bars, first, last in rows
        ]

    def bars(self, series: Series, first: date | None = None, last: date | None = None) -> BarTable:
        """Bars of a series between two dates (UTC), both included.

        Raises
        ------
        DataError
            When there are none.
        """
        low, high = _day_ns(first or date(1800, 1, 1)), _day_ns(last or date(2200, 1, 1)) + 86_400 * NS_PER_S
        columns = self._connection.execute(
            "SELECT end_ns, open, high, low, close, volume FROM bars WHERE symbol = ? AND size_s = ? AND source = ? "
            "AND prices = ? AND end_ns >= ? AND end_ns < ? ORDER BY end_ns",
            [series.symbol, series.size_s, series.source, series.prices.value, low, high],
        ).fetchnumpy()
        taken = {name: np.ascontiguousarray(np.asarray(column)) for name, column in columns.items()}
        end_ns = taken.pop("end_ns")
        return BarTable(symbol=series.symbol, size_s=series.size_s, end_ns=end_ns, notes=(), **taken)

    def actions(self, symbols: Sequence[str], source: str) -> tuple[CorporateAction, ...]:
        """Corporate actions of some symbols from one source, in order of symbol and day."""
        rows = fetch(
            self._connection,
            "SELECT symbol, day, kind, value FROM actions WHERE source = ? AND list_contains(?, symbol) "
            "ORDER BY symbol, day, kind",
            [source, list(symbols)],
        )
        return tuple(
            CorporateAction(symbol=symbol, day=day, kind=ActionKind(kind), value=value)
            for symbol, day, kind, value in rows
        )


def _is_fresh(path: Path, copy: Path) -> bool:
    log = path.with_name(f"{path.name}.wal")
    if not copy.is_file() or (log.is_file() and log.stat().st_size > 0):
        return False
    return path.stat().st_mtime_ns <= copy.stat().st_mtime_ns


def _day_ns(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * NS_PER_S
