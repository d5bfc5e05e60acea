"""The tear sheet of one run: which panels, in which order; its HTML and its picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from performance.tear_sheet.page import Block, Page, Section, Table, Text, write_page
from performance.tear_sheet.panels import activity, equity, falls, headline, months, prices, risk, search
from performance.tear_sheet.report_data import Fills, ReportData

HTML, PNG = "report.html", "report.png"


def write_tear_sheet(
    data: ReportData, folder: Path, *, html: bool = True, picture: bool = True
) -> list[Path]:
    """Write ``report.html`` and ``report.png`` into a folder that exists; return the paths of those asked for.

    Raises
    ------
    LibraryMissing
        When plotly or (for the picture) matplotlib isn't installed.
    OSError
        When a file can't be written.
    """
    written = [write_page(tear_sheet(data), folder / HTML)] if html else []
    if picture:
        # matplotlib takes longer to load than a backtest to run.
        from performance.tear_sheet.picture import write_picture  # noqa: PLC0415

        written.append(write_picture(data, folder / PNG))
    return written


def tear_sheet(data: ReportData) -> Page:
    """Compose the page of a run."""
    values = headline.measures_of(data)
    sections = (
        _overview(data, values),
        _calendar(data),
        _risk(data),
        _activity(data),
        _bars(data),
        _search(data),
        _measures(data, values),
        _run(data),
    )
    return Page(
        title=data.title,
        subtitle=data.subtitle,
        sections=[one for one in sections if one.blocks],
        footer="Everything on this page is in this file; it loads nothing. Figures are of session ends unless they say otherwise.",
    )


def _overview(data: ReportData, values: Mapping[str, float]) -> Section:
    blocks: list[Block] = [headline.headline(data, values)]
    if data.notes:
        blocks.append(Text(title="Notes of the run", paragraphs=list(data.notes)))
    if data.overfitting is not None and data.is_solvent:
        blocks += _present([search.overfitting_tiles(data.returns, data.conventions, data.overfitting)])
    if len(data.dates) < 2 and data.curve is None:
        blocks.append(Text(paragraphs=["There is a single value of the equity: no curve to draw."]))
        return Section(title="Overview", blocks=blocks)
    blocks.append(
        equity.equity_figure(
            data.dates,
            data.nlv,
            benchmark=data.benchmark,
            curve=data.curve,
            out_of_sample=data.out_of_sample,
        )
    )
    if not data.is_solvent:
        blocks.append(Text(paragraphs=["The account was lost: returns and ratios are not defined for it."]))
        return Section(title="Overview", blocks=blocks)
    return Section(title="Overview", blocks=[*blocks, *_drawdowns(data)])


def _drawdowns(data: ReportData) -> list[Block]:
    unit, dates, equity = "session", data.dates, data.equity
    theirs = None if data.benchmark is None else data.benchmark.with_opening
    if data.curve is not None:
        unit, dates = "bar", data.curve.times
        equity = np.concatenate([[data.opening], data.curve.nlv])
        if not (equity > 0.0).all():
            return []
        finer = data.curve.benchmark
        theirs = None if finer is None else np.concatenate([[data.opening], finer])
    if (np.diff(equity) >= 0.0).all():
        return [Text(paragraphs=["The equity never fell: there are no drawdowns."])]
    name = "benchmark" if data.benchmark is None else data.benchmark.name
    return [
        falls.drawdown_figure(dates, equity, benchmark=theirs, benchmark_name=name, unit=unit),
        falls.drawdown_table(dates, equity, unit=unit),
    ]


def _calendar(data: ReportData) -> Section:
    if not data.is_solvent:
        return Section(title="Calendar", blocks=[])
    name = "benchmark" if data.benchmark is None else data.benchmark.name
    by_year = months.year_figure(
        data.dates, data.returns, benchmark=data.benchmark_returns, benchmark_name=name
    )
    return Section(
        title="Calendar", blocks=_present([months.month_figure(data.dates, data.returns), by_year])
    )


def _risk(data: ReportData) -> Section:
    if not data.is_solvent:
        return Section(title="Risk", blocks=[])
    blocks: list[Block] = [
        *risk.rolling_figures(data.dates, data.returns, data.conventions, benchmark=data.benchmark_returns)
    ]
    blocks += _present([risk.distribution_figure(data.returns, data.conventions.confidence)])
    if data.overfitting is None:
        blocks += _present([search.overfitting_tiles(data.returns, data.conventions, None)])
    return Section(title="Risk", blocks=blocks)


def _activity(data: ReportData) -> Section:
    blocks: list[Block | None] = []
    over_time = len(data.dates) > 1
    if data.gross is not None and over_time:
        blocks.append(activity.exposure_figure(data.dates, data.nlv, data.gross))
    if data.fills is not None:
        if not len(data.fills.times):
            blocks.append(Text(paragraphs=["Nothing was traded."], wide=False))
        blocks += [
            activity.turnover_figure(data.dates, data.nlv, data.fills) if over_time else None,
            activity.cost_figure(data.dates, data.fills) if over_time else None,
            None if data.denials is None else activity.denial_figure(data.denials),
            activity.flow_table(data.flows),
            _profits(data, data.fills),
        ]
    elif data.denials is not None:
        blocks.append(activity.denial_figure(data.denials))
    return Section(title="Activity", blocks=_present(blocks))


def _profits(data: ReportData, fills: Fills) -> Block | None:
    found = activity.profits(fills, data.bars)
    if activity.is_explained(data, found):
        return activity.profit_figure(found)
    text = (
        "Fills and cash flows alone don't explain the account's profit: a position was held through a split or a "
        "delisting. Profits by symbol and measures of round trips are left out."
    )
    return Text(title="Profit by symbol", paragraphs=[text])


def _bars(data: ReportData) -> Section:
    return Section(title="Bars and fills", blocks=_present([prices.price_choice(data.bars, data.fills)]))


def _search(data: ReportData) -> Section:
    blocks: list[Block] = [search.parameter_figure(one) for one in data.parameter_maps]
    if data.fan is not None:
        blocks.insert(0, equity.fan_figure(data.fan, dates=data.dates, nlv=data.nlv))
    return Section(title="Simulation and search", blocks=blocks)


def _measures(data: ReportData, values: Mapping[str, float]) -> Section:
    conventions = data.conventions
    return Section(
        title="All measures",
        note=(
            f"{conventions.periods_per_year:g} sessions a year, risk-free rate {conventions.risk_free_annual:.2%} a year, "
            f"confidence {conventions.confidence:.0%}. docs/measures.md says what each one is and where it comes from."
        ),
        blocks=headline.measure_tables(values),
        folded=True,
    )


def _run(data: ReportData) -> Section:
    blocks: list[Block] = []
    if data.run:
        blocks.append(Table(title="What ran", columns=("", ""), rows=list(data.run.items())))
    if data.command:
        blocks.append(Text(title="To run it again", paragraphs=[], code=data.command))
    return Section(title="Run", blocks=blocks)


def _present(blocks: Sequence[Block | None]) -> list[Block]:
    return [one for one in blocks if one is not None]
