"""``python -m data export``: bars into CSV or Parquet files that are read back as the same numbers."""

from __future__ import annotations

import os
from argparse import Namespace
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from core.exit_codes import ExitCode
from data.bar_table import NS_PER_S, BarTable, DataError
from data.cli.context import load, policies, symbols_of
from data.sources import Source, open_source

_COLUMNS = ("open", "high", "low", "close", "volume")


def run(options: Namespace) -> ExitCode:
    """Write one file a symbol.

    Raises
    ------
    ConfigError, DataError
        When there are no bars, or a file is there already; then nothing was written.
    """
    loaded = load(options)
    source = open_source(
        options.source,
        symbols_of(options),
        calendar_name=loaded.settings.universe.calendar,
        policies=policies(loaded),
    )
    tables = {
        symbol: _between(table, source, options.start, options.end) for symbol, table in source.tables.items()
    }
    paths = {symbol: options.to / f"{symbol}.{options.format}" for symbol in tables}
    there = [path for path in paths.values() if path.exists()]
    if there and not options.force:
        raise DataError([f"{path}: is there already (--force replaces it)" for path in there])
    try:
        options.to.mkdir(parents=True, exist_ok=True)
        for symbol, table in tables.items():
            _write(table, paths[symbol])
    except OSError as error:
        raise DataError([f"{options.to}: can't be written: {error}"]) from error
    for note in source.notes:
        print(f"note: {note}")
    print(f"{len(tables)} files, {sum(len(table) for table in tables.values()):,} bars in {options.to}")
    return ExitCode.CLEAN


def _between(table: BarTable, source: Source, first: date | None, last: date | None) -> BarTable:
    calendar = source.calendar
    sessions = calendar.sessions(first or calendar.first_date, last or calendar.last_date)
    if not sessions:
        raise DataError([f"there is no session between {first} and {last}"])
    rows = table.rows_between(sessions[0].open_ns, sessions[-1].close_ns)
    if rows.start == rows.stop:
        raise DataError(
            [f"{table.symbol}: there are no bars between {sessions[0].date} and {sessions[-1].date}"]
        )
    columns = {name: getattr(table, name)[rows].copy() for name in _COLUMNS}
    return BarTable(
        symbol=table.symbol,
        size_s=table.size_s,
        end_ns=table.end_ns[rows].copy(),
        notes=table.notes,
        **columns,
    )


def _write(table: BarTable, path: Path) -> None:
    moments = [datetime.fromtimestamp(moment // NS_PER_S, UTC) for moment in table.end_ns.tolist()]
    stamps: dict[str, object]
    if table.is_daily:
        # A session's close lies on its own date in UTC too, in New York as in Europe.
        stamps = {"date": pa.array([moment.date() for moment in moments], pa.date32())}
    elif path.suffix == ".csv":
        stamps = {"end": pa.array([moment.isoformat() for moment in moments])}
    else:
        stamps = {"end": pa.array(moments, pa.timestamp("us", tz="UTC"))}
    whole = pa.table({**stamps, **{name: pa.array(getattr(table, name)) for name in _COLUMNS}})
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    if path.suffix == ".csv":
        arrow_csv.write_csv(whole, temporary, arrow_csv.WriteOptions(quoting_style="none"))
    else:
        parquet.write_table(whole, temporary)
    temporary.replace(path)
