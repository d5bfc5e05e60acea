"""Where research gets its bars: one name, one call, whatever is behind it.

====================  ====================================================================================
``packaged``          AAPL, FB, GOOG, IBM, MSFT, daily, 2000 to March 2013 (`data.packaged`)
``skfolio``           20 large US stocks, daily closes, 1990 to 2022 (`data.closes`)
a folder or file      CSV or Parquet, one file a symbol (`data.csv_bars`)
``NAME.duckdb``       the history store (`data.store`); ``NAME.duckdb@polygon,1d`` chooses one of several series
====================  ====================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from data.bar_files import SUFFIXES
from data.bar_table import BarTable, DataError
from data.corporate_actions import CorporateAction
from data.quality.findings import Check, Policies
from data.quality.gate import check_tables, default_policies
from data.quality.report import QualityReport
from data.sessions import ExchangeCalendar

PACKAGED: Final = "packaged"
SKFOLIO: Final = "skfolio"
_FILE = re.compile(r"(.+?)(?:\.csv|\.csv\.gz|\.parquet)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Checked bars and what is known about them.

    Attributes
    ----------
    name
        What was asked for.
    tables
        By symbol; their notes tell what the loader and the checks did.
    calendar
        Sessions that cover them, and the settlement of the last fills.
    actions
        Corporate actions that the prices don't hold, so that an account must book them: dividends unless prices are
        adjusted for them, and splits when raw prices were asked for and the source has them.
    report
        Every finding of the checks.
    chosen_later
        Why the list of symbols favours survivors; empty when the source doesn't know.
    """

    name: str
    tables: dict[str, BarTable]
    calendar: ExchangeCalendar
    report: QualityReport
    actions: tuple[CorporateAction, ...] = field(default=())
    chosen_later: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the bars and what is odd about them, for humans."""
        return tuple(note for table in self.tables.values() for note in table.notes)


def open_source(
    text: str | Path | None = None,
    symbols: Sequence[str] | None = None,
    *,
    calendar_name: str = "XNYS",
    policies: Policies | None = None,
    raw: bool = False,
) -> Source:
    """Load bars, pass them through the quality checks, and note what was found.

    Parameters
    ----------
    text
        See the table above; None is ``packaged``.
    symbols
        Which ones; None for all.
    calendar_name
        Exchange whose sessions bars of files and stores belong to.
    policies
        What is done about defects (``data.quality`` of the configuration); None for the defaults.
    raw
        Leave out the adjustment for splits where the source knows them, for an account that books them itself.

    Raises
    ------
    DataError
        With every problem found.
    """
    name = str(text) if text is not None else PACKAGED
    policies = policies or default_policies()
    if name == PACKAGED:
        return _packaged(symbols, policies)
    if name == SKFOLIO:
        return _skfolio(symbols, policies)
    if ".duckdb" in name:
        # Imported here: DuckDB belongs to research, and the paper gateway reads folders without it.
        from data.store.source import open_store  # noqa: PLC0415

        found = open_store(name, symbols, calendar_name=calendar_name, policies=policies, raw=raw)
        return _noted(
            Source(
                name=name,
                tables=found.checked.tables,
                calendar=found.calendar,
                report=found.checked.report,
                actions=found.actions,
            )
        )
    return _files(Path(name), symbols, calendar_name, policies)


def _packaged(symbols: Sequence[str] | None, policies: Policies) -> Source:
    from data.packaged import load_packaged, packaged_calendar  # noqa: PLC0415 (the file is read on import of neither)

    checked = check_tables(load_packaged(symbols), packaged_calendar(), policies)
    return _noted(
        Source(
            name=PACKAGED,
            tables=checked.tables,
            calendar=packaged_calendar(),
            report=checked.report,
            chosen_later="the five packaged symbols were chosen because they are still known today",
        )
    )


def _skfolio(symbols: Sequence[str] | None, policies: Policies) -> Source:
    from data.closes import SKFOLIO_NOTE, load_skfolio, skfolio_calendar, with_made_up_volumes  # noqa: PLC0415

    checked = check_tables(load_skfolio(symbols), skfolio_calendar(), policies)
    tables = {symbol: with_made_up_volumes(table) for symbol, table in checked.tables.items()}
    first = next(iter(tables))
    tables[first] = with_notes(tables[first], [SKFOLIO_NOTE])
    findings = tuple(
        one for one in checked.report.findings if one.check is not Check.ZERO_VOLUME
    )  # the note says it
    return _noted(
        Source(
            name=SKFOLIO,
            tables=tables,
            calendar=skfolio_calendar(),
            report=replace(checked.report, findings=findings),
            chosen_later="skfolio's 20 symbols were large companies in 2022",
        )
    )


def _files(path: Path, symbols: Sequence[str] | None, calendar_name: str, policies: Policies) -> Source:
    from data.csv_bars import load_folder  # noqa: PLC0415

    folder = path
    if path.is_file() and path.name.lower().endswith(SUFFIXES):
        match = _FILE.fullmatch(path.name)
        symbol = match[1].upper() if match else path.name
        if symbols is not None and list(symbols) != [symbol]:
            raise DataError([f"{path}: holds {symbol} only, not {', '.join(symbols)}"])
        folder, symbols = path.parent, [symbol]
    elif not path.is_dir():
        raise DataError(
            [
                f"{path}: is neither a folder of bars nor {PACKAGED}, {SKFOLIO} or the file of a store (*.duckdb)"
            ]
        )
    loaded = load_folder(folder, symbols, calendar_name=calendar_name, policies=policies)
    return _noted(
        Source(name=str(path), tables=loaded.tables, calendar=loaded.calendar, report=loaded.report)
    )


def _noted(source: Source) -> Source:
    """Put the findings into the notes of the tables, so that every user of these bars sees them."""
    notes: dict[str, list[str]] = {symbol: [] for symbol in source.tables}
    first = next(iter(notes))
    for note in source.report.notes():
        # A symbol that was left out has no table any more; another one tells of it.
        notes.get(note.partition(":")[0], notes[first]).append(note)
    return replace(
        source,
        tables={symbol: with_notes(table, notes[symbol]) for symbol, table in source.tables.items()},
    )


def with_notes(table: BarTable, notes: Sequence[str]) -> BarTable:
    """Return the table with more notes."""
    return replace(table, notes=(*table.notes, *notes)) if notes else table
