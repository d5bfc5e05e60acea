"""What the pages of the validation modes share: writing them, and the rows on overfitting."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from backtester.validation.overfitting import Overfitting
from performance.tear_sheet.page import LibraryMissing, Page, Section, Table, write_page
from performance.tear_sheet.report_data import ReportData
from performance.tear_sheet.sheet import tear_sheet
from performance.tear_sheet.words import count, number, percent


def write_reports(
    options: Namespace,
    folder: Path,
    data: ReportData,
    sections: Sequence[Section],
    table: Table | None = None,
) -> list[str]:
    """Write ``report.html`` (own sections, then the tear sheet) and, if asked for, ``report.png``; say where they are."""
    sheet = tear_sheet(data)
    return write_pages(
        options,
        folder,
        replace(sheet, sections=[*sections, *sheet.sections]),
        lambda path: _picture(data, table, path),
    )


def write_pages(options: Namespace, folder: Path, page: Page, picture: Callable[[Path], Path]) -> list[str]:
    """Write a page, and by ``picture(path)`` a PNG if asked for; return lines that say where they are."""
    lines = []
    try:
        if not options.no_html:
            lines.append(f"report:  {write_page(page, folder / 'report.html')}")
        if options.png:
            lines.append(f"report:  {picture(folder / 'report.png')}")
    except LibraryMissing as error:
        lines.append(str(error))
    return lines


def _picture(data: ReportData, table: Table | None, path: Path) -> Path:
    from backtester.validation.pictures import write_curve_picture  # noqa: PLC0415 (matplotlib is slow to load)

    return write_curve_picture(data, table, path)


def overfitting_rows(found: Overfitting | None) -> list[tuple[str, str]]:
    """Lines for a terminal."""
    if found is None:
        return []
    earlier = f" and {found.earlier_trials:,} earlier" if found.earlier_trials else ""
    needed = found.minimum_track_record_sessions
    return [
        (
            "trials",
            f"{found.trials:,}{earlier}, as spread as {number(found.independent_trials, 1)} independent ones",
        ),
        (
            "best trial",
            (
                f"Sharpe ratio {number(found.best_sharpe)} over the whole history; by luck alone {number(found.sharpe_by_luck)} "
                f"is expected of as many trials, {number(found.sharpe_by_luck_independent)} of as many independent ones"
            ),
        ),
        (
            "",
            (
                f"probably above 0: {percent(found.probabilistic_sharpe)}; above luck (deflated): {percent(found.deflated_sharpe)}, "
                f"{percent(found.deflated_sharpe_independent)} by independent trials"
            ),
        ),
        (
            "",
            (
                f"sessions needed to tell it from 0 at 95%: {'never' if math.isinf(needed) else count(needed)}, "
                f"there are {found.sessions:,}"
            ),
        ),
        (
            "overfitting",
            f"probability {percent(found.overfitting_probability)} (CSCV, {found.blocks} blocks)",
        ),
    ]


def overfitting_table(found: Overfitting) -> Table:
    """All figures with what they mean."""
    needed = found.minimum_track_record_sessions
    return Table(
        title="How much the best of the candidates says",
        columns=["figure", "value", "meaning"],
        rows=[
            ["trials", count(found.trials), "configurations of this study"],
            ["earlier trials", count(found.earlier_trials), "tried before it, by the trial ledger and --earlier-trials"],
            ["independent trials", number(found.independent_trials, 1), "by the mean correlation of their returns"],
            ["best Sharpe ratio", number(found.best_sharpe), "of any candidate over the whole history"],
            ["Sharpe ratio by luck", number(found.sharpe_by_luck), "expected of the best of as many trials without skill"],
            ["probabilistic Sharpe", percent(found.probabilistic_sharpe), "probability of a true Sharpe ratio above 0, selection not considered"],
            ["deflated Sharpe", percent(found.deflated_sharpe), "probability of one above luck, over all trials"],
            ["deflated, independent", percent(found.deflated_sharpe_independent), "the same over the independent trials"],
            ["track record needed", "never" if math.isinf(needed) else f"{count(needed)} sessions", f"to tell it from 0 at 95%; there are {found.sessions:,}"],
            ["probability of overfitting", percent(found.overfitting_probability), f"splits in which the best of one half fell below the median of the other; {found.blocks} blocks"],
        ],
        note="Bailey and Lopez de Prado (2012, 2014); Bailey, Borwein, Lopez de Prado and Zhu (2017). Formulas: performance/overfitting.py.",
    )  # fmt: skip


def table_lines(table: Table) -> list[str]:
    """Write a table for a terminal, its columns as wide as what they hold."""
    lines = [table.columns, *table.rows]
    widths = [max(len(row[place]) for row in lines) for place in range(len(table.columns))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in lines
    ]
