"""The one way from rows to tables: every source of bars passes here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from core.config_schema import QualitySettings
from data.bar_table import BarTable, DataError
from data.quality.findings import Finding, Policies, policies_of
from data.quality.integrity import Rows, mend, raise_failures
from data.quality.report import QualityReport
from data.quality.suspicion import KnownSplits, examine
from data.sessions import ExchangeCalendar


def default_policies() -> Policies:
    """Policies of a configuration that says nothing."""
    return policies_of(QualitySettings())


@dataclass(frozen=True, slots=True)
class Checked:
    """Tables that passed, by symbol, and what was found on the way."""

    tables: dict[str, BarTable]
    report: QualityReport


def check_rows(
    rows: Mapping[str, Rows],
    make_table: Callable[[Rows], tuple[BarTable, list[Finding]]],
    calendar: ExchangeCalendar,
    policies: Policies,
) -> Checked:
    """Mend rows, make tables of them, and examine those.

    Parameters
    ----------
    rows
        By symbol.
    make_table
        Stamps the mended rows with their ends.

    Raises
    ------
    DataError
        With the problems of all symbols, when a policy says fail.
    """
    problems: list[str] = []
    findings: list[Finding] = []
    tables: dict[str, BarTable] = {}
    for symbol, raw in rows.items():
        try:
            mended, found = mend(raw, policies)
            findings += found
            tables[symbol], found = make_table(mended)
            findings += found
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    checked = check_tables(tables, calendar, policies)
    return Checked(
        checked.tables,
        QualityReport(bars=checked.report.bars, findings=(*findings, *checked.report.findings)),
    )


def check_tables(
    tables: Mapping[str, BarTable],
    calendar: ExchangeCalendar,
    policies: Policies,
    known_splits: KnownSplits = frozenset(),
) -> Checked:
    """Examine tables that hold proper bars already.

    Parameters
    ----------
    known_splits
        Symbols and days of splits that whoever uses the bars knows of: no defects.

    Raises
    ------
    DataError
        When a policy says fail, with the findings of all symbols; or when no symbol is left.
    """
    problems: list[str] = []
    findings: list[Finding] = []
    left: dict[str, BarTable] = {}
    for symbol, table in tables.items():
        result, found = examine(table, calendar, policies, known_splits)
        findings += found
        try:
            raise_failures(found)
        except DataError as error:
            problems += error.problems
        if result is not None:
            left[symbol] = result
    if tables and not left and not problems:
        problems.append(f"no symbol is left after the checks: {findings[-1].sentence()}")
    if problems:
        raise DataError(problems)
    bars = {symbol: len(table) for symbol, table in left.items()}
    return Checked(left, QualityReport(bars=bars, findings=tuple(findings)))
