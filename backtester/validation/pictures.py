"""Pictures of the validation modes by matplotlib, without pyplot: no window, no global state."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from core.atomic_file import write_atomic
from performance.drawdowns import drawdown_curve
from performance.tear_sheet.colours import light
from performance.tear_sheet.page import LibraryMissing, Table
from performance.tear_sheet.report_data import Fan, ReportData

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_INCHES = 11.0
_DPI = 110
_MOST_ROWS = 30


def new_figure(title: str, height: float) -> Figure:
    """Empty figure with a title.

    Raises
    ------
    LibraryMissing
        When matplotlib isn't installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise LibraryMissing("matplotlib") from None
    figure = Figure(figsize=(_WIDTH_INCHES, height), dpi=_DPI, facecolor=light("@card"), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, x=0.01, ha="left", fontsize=15, color=light("@ink"), parse_math=False)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG; return the path."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", bbox_inches="tight", pad_inches=0.2)
    write_atomic(path, drawn.getvalue(), durable=False, mode=0o644)
    return path


def style(axes: Axes, title: str) -> None:
    """Give axes the look of all reports."""
    axes.set_title(title, loc="left", fontsize=10, color=light("@muted"), parse_math=False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(light("@rule"))
    axes.tick_params(colors=light("@muted"), labelsize=8, length=0)
    axes.grid(visible=True, axis="y", color=light("@rule"), linewidth=0.7)
    axes.set_axisbelow(True)


def write_curve_picture(data: ReportData, table: Table | None, path: Path) -> Path:
    """Equity with the out-of-sample spans shaded, drawdowns, and the table below them."""
    rows = list(table.rows[:_MOST_ROWS]) if table is not None else []
    heights = [3.0, 1.3] + ([0.24 * (len(rows) + 1)] if rows else [])
    figure = new_figure(data.title, sum(heights) + 0.9)
    axes = figure.subplots(len(heights), 1, height_ratios=heights)
    days = data.dates.astype("O")
    style(axes[0], f"Equity out of sample; {data.subtitle}")
    if data.benchmark is not None:
        axes[0].plot(
            days, data.benchmark.values, color=light("@benchmark"), linewidth=1.0, label=data.benchmark.name
        )
    axes[0].plot(days, data.nlv, color=light("@equity"), linewidth=1.3, label="strategy")
    for begin, end in data.out_of_sample:
        axes[0].axvspan(begin.astype("O"), end.astype("O"), color=light("@shade"), alpha=0.12, linewidth=0)
    axes[0].yaxis.set_major_formatter("${x:,.0f}")
    axes[0].legend(loc="upper left", frameon=False, fontsize=8, labelcolor=light("@muted"))
    style(axes[1], "Drawdowns at session ends")
    if data.is_solvent:
        falls = -drawdown_curve(data.equity)[1:]
        axes[1].fill_between(days, falls, 0.0, color=light("@loss"), alpha=0.25, linewidth=0)
        axes[1].yaxis.set_major_formatter(lambda value, _place: f"{value:.0%}")
    if rows and table is not None:
        draw_table(axes[2], table.columns, rows)
    return save(figure, path)


def draw_table(axes: Axes, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Put a table of text into axes."""
    axes.axis("off")
    drawn = axes.table(
        cellText=rows, colLabels=columns, loc="upper center", cellLoc="left", edges="horizontal"
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(7.0)
    drawn.auto_set_column_width(list(range(len(columns))))
    for cell in drawn.get_celld().values():
        cell.set_edgecolor(light("@rule"))
        cell.get_text().set_color(light("@ink"))


def write_fan_picture(title: str, fan: Fan, drawdowns: np.ndarray, finals: np.ndarray, path: Path) -> Path:
    """Fan of simulated equity, and the distributions of the largest drawdown and of the final return."""
    figure = new_figure(title, 7.5)
    grid = figure.add_gridspec(2, 2, height_ratios=[3.0, 2.0])
    top = figure.add_subplot(grid[0, :])
    style(top, fan.note)
    times = fan.times.astype("O") if fan.times.dtype.kind == "M" else fan.times
    count = len(fan.percentiles)
    for place in range(count // 2):
        top.fill_between(times, fan.curves[place], fan.curves[count - 1 - place], color=light("@equity"), alpha=0.15, linewidth=0,
                         label=f"{fan.percentiles[place]:g} to {fan.percentiles[count - 1 - place]:g}%")  # fmt: skip
    if count % 2:
        top.plot(times, fan.curves[count // 2], color=light("@equity"), linewidth=1.5, label="median")
    top.yaxis.set_major_formatter("${x:,.0f}")
    top.legend(loc="upper left", frameon=False, fontsize=8, labelcolor=light("@muted"))
    for place, (values, name, colour) in enumerate(
        ((drawdowns, "Largest drawdown", "@loss"), (finals, "Total return", "@gain"))
    ):
        axes = figure.add_subplot(grid[1, place])
        style(axes, name)
        low, high = np.quantile(values, [0.0, 0.995])
        axes.hist(
            values,
            bins=60,
            range=(float(low), max(float(high), float(low) + 1e-9)),
            color=light(colour),
            alpha=0.6,
        )
        axes.xaxis.set_major_formatter(lambda value, _place: f"{value:.0%}")
    return save(figure, path)


def write_curves_picture(
    title: str, dates: np.ndarray, curves: Mapping[str, np.ndarray], sharpes: Sequence[float], path: Path
) -> Path:
    """Several curves, and the distribution of their Sharpe ratios."""
    figure = new_figure(title, 6.5)
    top, bottom = figure.subplots(2, 1, height_ratios=[3.0, 1.3])
    style(top, "Out-of-sample paths")
    for name, values in curves.items():
        top.plot(dates.astype("O"), values, linewidth=0.9, alpha=0.7, label=name)
    top.yaxis.set_major_formatter("${x:,.0f}")
    style(bottom, "Sharpe ratios of the paths")
    bottom.hist(np.asarray(sharpes), bins=min(30, max(len(sharpes), 5)), color=light("@equity"), alpha=0.6)
    return save(figure, path)
