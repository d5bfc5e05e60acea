"""The maps and curves of a search as PNG files."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backtester.search.maps import Curve
from core.atomic_file import write_atomic
from performance.tear_sheet.colours import light
from performance.tear_sheet.report_data import ParameterMap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 120
_MOST_TICKS = 20


def file_name(*words: str) -> str:
    """Name of a picture that is made of keys."""
    return "-".join(re.sub(r"[^a-z0-9_]+", "_", word.lower()) for word in words) + ".png"


def new_figure(width: float, height: float) -> Figure:
    """Figure without a window or any global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 (slow to load, and only for pictures)
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor=light("@card"), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG; return the path."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, drawn.getvalue(), durable=False, mode=0o644)
    return path


def style(axes: Axes, title: str) -> None:
    """Give axes the look of all pictures."""
    axes.set_title(title, loc="left", fontsize=11, color=light("@ink"), parse_math=False)
    axes.tick_params(colors=light("@muted"), labelsize=8)
    axes.xaxis.label.set_color(light("@muted"))
    axes.yaxis.label.set_color(light("@muted"))
    for spine in axes.spines.values():
        spine.set_color(light("@rule"))


def draw_map(data: ParameterMap, path: Path) -> Path:
    """Draw one map; dots are the plateau, the ring is the best combination."""
    from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415

    rows, columns = data.values.shape
    figure = new_figure(min(max(5.5, 2.5 + columns * 0.25), 14), min(max(4.0, 1.8 + rows * 0.2), 11))
    axes = figure.subplots()
    colours = LinearSegmentedColormap.from_list("figure", ["#f3f1ec", "#8fb3cf", light("@equity")])
    image = axes.imshow(data.values, origin="lower", aspect="auto", cmap=colours, interpolation="nearest")
    figure.colorbar(image, ax=axes, label=data.figure)
    if data.plateau is not None:
        down, across = np.nonzero(data.plateau)
        axes.scatter(across, down, s=9, color=light("@shade"), label="plateau")
    if data.chosen is not None:
        place = (list(data.x).index(data.chosen[0]), list(data.y).index(data.chosen[1]))
        axes.scatter(*place, s=130, facecolors="none", edgecolors=light("@loss"), linewidths=2, label="best")
    for axis, values, name in ((axes.xaxis, data.x, data.x_name), (axes.yaxis, data.y, data.y_name)):
        every = -(-len(values) // _MOST_TICKS)
        axis.set_ticks(range(0, len(values), every), [f"{one:g}" for one in values[::every]])
        axis.set_label_text(name)
    style(axes, data.title)
    figure.legend(loc="outside lower right", ncols=2, frameon=False, fontsize=8, labelcolor=light("@muted"))
    return save_figure(figure, path)


def draw_curve(data: Curve, path: Path) -> Path:
    """Draw the figure over one key."""
    figure = new_figure(8, 4)
    axes = figure.subplots()
    axes.plot(data.x, data.y, marker="o", markersize=3, color=light("@equity"))
    axes.set_xlabel(data.key)
    style(axes, f"{data.metric} (median over the other keys)")
    return save_figure(figure, path)


def draw_all(maps: Sequence[ParameterMap], curves: Sequence[Curve], folder: Path) -> list[Path]:
    """Draw every map and curve into a folder; return the paths."""
    drawn = [draw_map(one, folder / file_name(one.x_name, one.y_name)) for one in maps]
    return drawn + [draw_curve(one, folder / file_name(one.key)) for one in curves]
