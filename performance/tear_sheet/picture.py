"""The main panels as one picture (PNG), for where no browser is: mail, chat, a terminal that shows images."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.atomic_file import write_atomic
from performance.drawdowns import drawdown_curve
from performance.tear_sheet.colours import light
from performance.tear_sheet.page import LibraryMissing
from performance.tear_sheet.panels.equity import log_switch
from performance.tear_sheet.panels.headline import measures_of
from performance.tear_sheet.panels.months import month_table, month_text
from performance.tear_sheet.report_data import ReportData
from performance.tear_sheet.thinning import thin
from performance.tear_sheet.words import count, money, number, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE_INCHES = (11.0, 11.5)
_DPI = 110


def write_picture(data: ReportData, path: Path) -> Path:
    """Draw equity, drawdowns, months and exposure into a PNG file; return its path.

    Raises
    ------
    LibraryMissing
        When matplotlib isn't installed.
    OSError
    """
    try:
        # Figure and canvas without pyplot: no window, no global state.
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise LibraryMissing("matplotlib") from None
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, facecolor=light("@card"), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(data.title, x=0.01, ha="left", fontsize=15, color=light("@ink"), parse_math=False)
    rows = figure.subplots(4, 1, height_ratios=[3.0, 1.4, 3.0, 1.2])
    _equity(rows[0], data)
    _drawdowns(rows[1], data)
    _months(rows[2], data)
    _exposure(rows[3], data)
    figure.text(0.01, -0.005, data.subtitle, fontsize=9, color=light("@muted"), va="top", parse_math=False)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", bbox_inches="tight", pad_inches=0.2)
    write_atomic(path, drawn.getvalue(), durable=False, mode=0o644)
    return path


def _style(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=light("@muted"), parse_math=False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(light("@rule"))
    axes.tick_params(colors=light("@muted"), labelsize=8, length=0)
    axes.grid(visible=True, axis="y", color=light("@rule"), linewidth=0.7)
    axes.set_axisbelow(True)


def _equity(axes: Axes, data: ReportData) -> None:
    from matplotlib.ticker import LogLocator, NullLocator  # noqa: PLC0415 (loaded with the figure)

    values = measures_of(data)
    _style(
        axes,
        f"Equity: {percent(float(data.nlv[-1]) / data.opening - 1.0)} in all, {percent(values.get('cagr'))} a year, "
        f"Sharpe ratio {number(values.get('sharpe_ratio'))}, volatility {percent(values.get('volatility_annual'))}"
        + ("" if data.fills is None else f", {count(len(data.fills.times))} fills"),
    )
    if data.benchmark is not None:
        kept = thin(data.benchmark.values)
        axes.plot(
            data.dates[kept].astype("O"),
            data.benchmark.values[kept],
            color=light("@benchmark"),
            linewidth=1.0,
            label=data.benchmark.name.replace("$", r"\$"),
        )
    times, nlv = (data.dates, data.nlv) if data.curve is None else (data.curve.times, data.curve.nlv)
    kept = thin(nlv)
    axes.plot(
        times[kept].astype("datetime64[s]").astype("O"),
        nlv[kept],
        color=light("@equity"),
        linewidth=1.3,
        label="strategy",
    )
    for begin, end in data.out_of_sample:
        axes.axvspan(begin.astype("O"), end.astype("O"), color=light("@shade"), alpha=0.12, linewidth=0)
    switch = log_switch(nlv, *([] if data.benchmark is None else [data.benchmark.values]))
    if switch is not None and switch.ticked:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda value, _place: money(value))
    axes.legend(loc="upper left", frameon=False, fontsize=8, labelcolor=light("@muted"))


def _drawdowns(axes: Axes, data: ReportData) -> None:
    if not data.is_solvent:
        _style(axes, "The account was lost")
        return
    falls = -drawdown_curve(data.equity)[1:]
    _style(axes, f"Drawdowns: {percent(-float(falls.min()))} at most, at session ends")
    kept = thin(falls)
    days = data.dates[kept].astype("O")
    axes.fill_between(days, falls[kept], 0.0, color=light("@loss"), alpha=0.2, linewidth=0)
    axes.plot(days, falls[kept], color=light("@loss"), linewidth=0.8)
    axes.yaxis.set_major_formatter(lambda value, _place: f"{100.0 * value:g}%")


def _months(axes: Axes, data: ReportData) -> None:
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415 (loaded with the figure)

    _style(axes, "Months, per cent")
    axes.grid(visible=False)
    if not data.is_solvent:
        return
    years, table = month_table(data.dates, data.returns)
    reach = float(np.nanquantile(np.abs(table), 0.95)) or 0.01
    colours = LinearSegmentedColormap.from_list("months", [light("@loss"), light("@card"), light("@gain")])
    axes.imshow(table, cmap=colours, vmin=-reach, vmax=reach, aspect="auto", alpha=0.8)
    axes.set_xticks(range(12), [*"JFMAMJJASOND"])
    step = -(-len(years) // 25)
    axes.set_yticks(range(0, len(years), step), [str(year) for year in years[::step]])
    if len(years) > 25:
        return
    for row, column in zip(*np.nonzero(np.isfinite(table)), strict=True):
        axes.text(
            column,
            row,
            month_text(float(table[row, column])),
            ha="center",
            va="center",
            fontsize=7.5,
            color=light("@ink"),
        )


def _exposure(axes: Axes, data: ReportData) -> None:
    _style(axes, "Gross exposure")
    if data.gross is None:
        return
    exposure = data.gross / np.where(data.nlv > 0.0, data.nlv, np.nan)
    kept = thin(exposure)
    axes.fill_between(
        data.dates[kept].astype("O"), exposure[kept], 0.0, color=light("@equity"), alpha=0.25, linewidth=0
    )
    axes.set_ylim(bottom=0.0)
    axes.yaxis.set_major_formatter(lambda value, _place: f"{100.0 * value:g}%")
