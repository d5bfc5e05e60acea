"""From what a service gave to the store: checked, stamped, written in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from data.bar_table import BarTable, DataError
from data.corporate_actions import known_splits
from data.csv_bars import stamp_table
from data.download.fetched import Fetched
from data.exchange_calendar import ExchangeCalendar
from data.quality.findings import Finding, Policies
from data.quality.integrity import mend, raise_failures
from data.quality.suspicion import examine
from data.store.schema import Series
from data.store.writer import HistoryWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What came into the store."""

    bars: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def keep(
    writer: HistoryWriter,
    fetched: Fetched,
    *,
    source: str,
    span: tuple[date, date],
    calendar: ExchangeCalendar,
    policies: Policies,
    now_ns: int,
) -> Kept:
    """Check what was fetched and write it.

    Bars that aren't over at ``now_ns`` are left out: they would still change.

    Raises
    ------
    DataError
        When a policy says fail, or no bar is left; then nothing was written.
    """
    if fetched.rows is None:
        raise DataError([f"{source}: {fetched.symbol}: there are no bars between {span[0]} and {span[1]}"])
    rows, findings = mend(fetched.rows, policies)
    table, found = stamp_table(rows, "start", calendar, policies, size_s=fetched.size_s)
    findings += found
    table, left_out = _finished(table, now_ns)
    # The store keeps what the service gave: suspicious bars are told of here and dealt with when they are loaded.
    _, found = examine(table, calendar, policies, known_splits(fetched.actions))
    raise_failures(found)
    findings += [replace(one, done="") for one in found]
    series = Series(symbol=fetched.symbol, size_s=fetched.size_s, source=source, prices=fetched.prices)
    with writer.transaction():
        writer.put_bars(series, table)
        writer.put_actions(source, fetched.symbol, *span, fetched.actions)
    notes = (*fetched.notes, *table.notes, *left_out)
    return Kept(bars=len(table), findings=tuple(findings), notes=notes)


def _finished(table: BarTable, now_ns: int) -> tuple[BarTable, tuple[str, ...]]:
    rows = table.rows_between(0, now_ns)
    if rows.stop == len(table):
        return table, ()
    if rows.stop == 0:
        raise DataError([f"{table.symbol}: no bar is over yet"])
    columns = {
        name: getattr(table, name)[rows] for name in ("end_ns", "open", "high", "low", "close", "volume")
    }
    note = f"{table.symbol}: {len(table) - rows.stop} bars that aren't over yet left out"
    return replace(table, **columns), (note,)
